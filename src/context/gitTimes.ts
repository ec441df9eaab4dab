/** Giving all files of a tree one time. */
import * as fs from "node:fs";
import { type ByteString, fsPath } from "../support/bytes.js";
import { Pacer } from "./pacer.js";

/**
 * Sets the time of everything in a directory, and its own; links are not followed.
 * @param seconds since 1970
 */
export async function setTimes(directory: string, seconds: number, signal?: AbortSignal): Promise<void> {
  const pacer = new Pacer(signal);
  const set = async (path: ByteString): Promise<void> => {
    for (const entry of fs.readdirSync(fsPath(path), { withFileTypes: true, encoding: "buffer" })) {
      const child = `${path}/${entry.name.toString("latin1")}`;
      if (entry.isDirectory()) await set(child);
      else fs.lutimesSync(fsPath(child), seconds, seconds);
    }
    fs.utimesSync(fsPath(path), seconds, seconds);
    if (pacer.isDue()) await pacer.pause();
  };
  await set(Buffer.from(directory).toString("latin1"));
}
