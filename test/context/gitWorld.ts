/** What tests of git sources start from: a repository, a server that has it, and a store. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll } from "vitest";
import { checkoutGit, type GitCheckout, type GitRequest } from "../../src/context/git.js";
import type { Store } from "../../src/store/store.js";
import { NacreError } from "../../src/support/errors.js";
import { parseGitAddress } from "../../src/support/gitAddress.js";
import { openStore } from "../store/helpers.js";
import { commit, type GitServer, type GitServerOptions, git, gitFolder, serveGit } from "./gitServer.js";

/** What lies in a directory: content of files (with ` x` behind the name of executables), targets of links. */
export function listing(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (folder: string, prefix: string): void => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const file = path.join(folder, entry.name);
      const name = prefix + entry.name;
      if (entry.isDirectory()) {
        found[`${name}/`] = "";
        walk(file, `${name}/`);
      } else if (entry.isSymbolicLink()) found[name] = `-> ${fs.readlinkSync(file)}`;
      else found[fs.statSync(file).mode & 0o100 ? `${name} x` : name] = fs.readFileSync(file, "utf8");
    }
  };
  walk(directory, "");
  return found;
}

/** What asks for an address of ADD. */
export function request(address: string, more: Partial<GitRequest> = {}): GitRequest {
  const parsed = parseGitAddress(address, "add");
  if (parsed === undefined) throw new Error(`no git address: ${address}`);
  return { address: parsed, keepGitDir: parsed.keepGitDir ?? false, env: process.env, ...more };
}

/** Checks an address of ADD out. */
export async function checkout(store: Store, address: string, more: Partial<GitRequest> = {}): Promise<GitCheckout> {
  return checkoutGit(store, request(address, more));
}

/** The error that the work must end with. */
export async function failure(work: Promise<unknown>): Promise<NacreError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof NacreError)) throw error ?? new Error("it did not fail");
  return error;
}

export interface World extends GitServer {
  readonly root: string;
  readonly store: Store;
  /** Commits of `repo` in order. */
  readonly first: string;
  readonly second: string;
}

/** `repo` with two commits on `main`, the branch `feature/x` and the tags `light` and `v1` at the first. */
export async function world(options: GitServerOptions = {}): Promise<World> {
  template ??= makeTemplate();
  const root = gitFolder();
  fs.cpSync(template.folder, path.join(root, "repo"), { recursive: true, verbatimSymlinks: true });
  const { first, second } = template;
  return { root, first, second, store: await openStore(), ...(await serveGit(root, options)) };
}

let template: { readonly folder: string; readonly first: string; readonly second: string } | undefined;

afterAll(() => {
  if (template) fs.rmSync(template.folder, { recursive: true, force: true });
  template = undefined;
});

function makeTemplate() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-git-"));
  const first = commit(folder, { "a.txt": "a", "run.sh": "#!/bin/sh\n", link: "-> a.txt", "dir/sub/n": "n" });
  git(folder, "tag", "light");
  git(folder, "tag", "-a", "-m", "message", "v1");
  git(folder, "branch", "feature/x");
  const second = commit(folder, { "a.txt": "b" });
  git(folder, "update-server-info");
  return { folder, first, second };
}
