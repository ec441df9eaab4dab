import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { listSources } from "../../src/store/sources.js";
import { sha256Hex } from "../../src/support/hash.js";
import { openStore, tempDirectory, withStore } from "../store/helpers.js";
import { downloader, serve } from "./downloadServer.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Compiles the worker, because Node 20 runs no TypeScript. @returns the path of the script */
function compileWorker(): string {
  const outDir = tempDirectory();
  const types = [path.join(root, "node_modules/@types")];
  const compilerOptions = { noEmit: false, noCheck: true, rootDir: root, outDir, typeRoots: types };
  const files = [path.join(root, "test/context/downloadWorker.ts")];
  const config = { extends: path.join(root, "tsconfig.json"), compilerOptions, include: [], files };
  fs.writeFileSync(path.join(outDir, "tsconfig.json"), JSON.stringify(config));
  fs.writeFileSync(path.join(outDir, "package.json"), '{"type":"module"}');
  fs.symlinkSync(path.join(root, "node_modules"), path.join(outDir, "node_modules"));
  execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", outDir], { stdio: ["ignore", "pipe", "pipe"] });
  return path.join(outDir, "test/context/downloadWorker.js");
}

test("processes that download one address and are killed at any moment leave it whole, or not there", async () => {
  const script = compileWorker();
  const location = `${tempDirectory()}/store`;
  await withStore(location, () => {});
  let body = randomBytes(300_000);
  let answers = 0;
  const server = await serve({
    "/f": (request, response) => {
      if (answers++ % 3 === 0) body = randomBytes(300_000);
      const etag = `"${sha256Hex(body)}"`;
      if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
      const sent = body;
      response.writeHead(200, { etag, "content-length": sent.length }).write(sent.subarray(0, 150_000));
      setTimeout(() => response.end(sent.subarray(150_000)), 20);
    },
  });
  const said: string[] = [];
  const keepKilling = async (slot: number, until: number): Promise<void> => {
    for (let round = 0; Date.now() < until; round++) {
      const child = spawn(process.execPath, [script, location, `${server.url}/f`], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      child.stdout.on("data", (text: Buffer) => said.push(...text.toString().trim().split("\n")));
      child.stderr.on("data", (text: Buffer) => said.push(text.toString()));
      const ended = once(child, "close");
      await Promise.race([once(child.stdout, "data"), ended]);
      // Wherever it is by then.
      await Promise.race([sleep((round * 37 + slot * 61) % 250), ended]);
      child.kill("SIGKILL");
      await ended;
    }
  };
  const until = Date.now() + 4_000;
  await Promise.all([keepKilling(0, until), keepKilling(1, until)]);
  expect(said.filter((line) => line !== "whole")).toEqual([]);
  expect(said.length).toBeGreaterThan(3);
  const store = await openStore(location);
  const { get } = await downloader(store);
  const last = await get(`${server.url}/f`);
  expect(`sha256:${sha256Hex(fs.readFileSync(last.path))}`).toBe(last.digest);
  await last.release();
  for (const folder of ["tmp", "leases"]) expect(fs.readdirSync(`${location}/${folder}`)).toEqual([]);
  expect(fs.readdirSync(listSources(store)[0]!.path)).toHaveLength(3);
  expect((await checkStore(store)).problems).toEqual([]);
});
