import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { readIgnoreFile } from "../../src/context/ignoreFile.js";
import { isNacreError } from "../../src/support/errors.js";
import { folder } from "./folder.js";

test("the ignore file beside the Dockerfile applies alone, else the one in the context's root", () => {
  const root = folder({
    ".dockerignore": "root\n",
    "sub/app.Dockerfile": "",
    "sub/app.Dockerfile.dockerignore": "beside\n",
  });
  const beside = readIgnoreFile({ root, dockerfile: path.join(root, "sub/app.Dockerfile") });
  expect(beside?.patterns.map(({ text }) => text)).toEqual(["beside"]);
  expect(beside?.file).toBe("sub/app.Dockerfile.dockerignore");
  const other = readIgnoreFile({ root, dockerfile: path.join(root, "Dockerfile") });
  expect(other?.patterns.map(({ text }) => text)).toEqual(["root"]);
  expect(other?.file).toBe(".dockerignore");
  expect(readIgnoreFile({ root })?.file).toBe(".dockerignore");
  expect(readIgnoreFile({ root: path.join(root, "sub") })).toBeUndefined();
  const outside = folder({ "D.dockerignore": "out\n" });
  expect(readIgnoreFile({ root, dockerfile: path.join(outside, "D") })?.file).toBe(
    path.join(outside, "D.dockerignore"),
  );
});

test("an empty ignore file beside the Dockerfile still replaces the other", () => {
  const root = folder({ ".dockerignore": "root\n", Dockerfile: "", "Dockerfile.dockerignore": "" });
  expect(readIgnoreFile({ root, dockerfile: path.join(root, "Dockerfile") })?.patterns).toEqual([]);
});

test.each([
  ["a directory", (file: string) => fs.mkdirSync(file)],
  ["a fifo", (file: string) => void execFileSync("mkfifo", [file])],
  ["a huge file", (file: string) => fs.writeFileSync(file, Buffer.alloc(2 << 20, "a\n"))],
  ["a loop of symlinks", (file: string) => fs.symlinkSync(".dockerignore", file)],
])("an ignore file that is %s is refused by name", (_, make) => {
  const root = folder();
  const file = path.join(root, ".dockerignore");
  make(file);
  try {
    readIgnoreFile({ root });
    throw new Error("nothing was thrown");
  } catch (error) {
    expect(isNacreError(error) && error.code).toBe("CONTEXT_UNREADABLE");
    expect((error as Error).message).toContain(file);
  }
});
