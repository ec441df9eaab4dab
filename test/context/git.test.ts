import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { type GitRequest, resolveGit } from "../../src/context/git.js";
import { toolMissing } from "../setup/tools.js";
import { openStore } from "../store/helpers.js";
import { commit, git, gitOnline } from "./gitServer.js";
import { checkout, failure, listing, request, world } from "./gitWorld.js";

describe.skipIf(toolMissing("git"))("a git checkout", () => {
  it("has the files of the default branch, with modes that do not depend on the umask, and no .git", async () => {
    const { store, origin, second } = await world();
    const before = process.umask(0o077);
    try {
      const made = await checkout(store, `${origin}/repo.git`);
      expect(made.commit).toBe(second);
      expect(made.committed).toBe(1700000100);
      expect(listing(made.directory)).toEqual({
        "a.txt": "b",
        "run.sh x": "#!/bin/sh\n",
        link: "-> a.txt",
        "dir/": "",
        "dir/sub/": "",
        "dir/sub/n": "n",
      });
      const modes = ["", "a.txt", "run.sh", "dir", "dir/sub/n"].map(
        (name) => fs.statSync(path.join(made.directory, name)).mode & 0o7777,
      );
      expect(modes).toEqual([0o755, 0o644, 0o755, 0o755, 0o644]);
    } finally {
      process.umask(before);
    }
  });

  it("takes branches, tags, full names and whole commit ids", async () => {
    const { store, origin, first, second } = await world();
    const of = async (ref: string) => (await resolveGit(store, request(`${origin}/repo.git${ref}`))).commit;
    expect(await of("#main")).toBe(second);
    expect(await of("#feature/x")).toBe(first);
    expect(await of("#light")).toBe(first);
    expect(await of("#v1")).toBe(first);
    expect(await of("#refs/tags/v1")).toBe(first);
    expect(await of("#heads/main")).toBe(second);
    expect(await of("?branch=feature/x")).toBe(first);
    expect(await of("?tag=v1")).toBe(first);
    expect(await of(`#${first}`)).toBe(first);
    for (const ref of ["#feature/x", "#v1", `#${first}`]) {
      expect(
        fs.readFileSync(path.join((await checkout(store, `${origin}/repo.git${ref}`)).directory, "a.txt"), "utf8"),
      ).toBe("a");
    }
  });

  it("prefers a branch to a tag of the same name", async () => {
    const { store, root, origin, second } = await world();
    git(path.join(root, "repo"), "tag", "main", "light");
    expect((await resolveGit(store, request(`${origin}/repo.git#main`))).commit).toBe(second);
    expect((await resolveGit(store, request(`${origin}/repo.git?tag=main`))).commit).not.toBe(second);
  });

  it("is fetched once and laid out once, and follows the branch", async () => {
    const { store, root, origin, asked } = await world();
    const one = await checkout(store, `${origin}/repo.git`);
    const before = asked.length;
    const two = await checkout(store, `${origin}/repo.git#main`);
    expect(two.directory).toBe(one.directory);
    expect(asked.slice(before).filter(({ body }) => body.includes("command=fetch"))).toEqual([]);
    const third = commit(path.join(root, "repo"), { "new.txt": "new" });
    const three = await checkout(store, `${origin}/repo.git`);
    expect(three.commit).toBe(third);
    expect(fs.existsSync(path.join(three.directory, "new.txt"))).toBe(true);
    expect(fs.existsSync(path.join(one.directory, "new.txt"))).toBe(false);
  });

  it("asks nobody for a whole commit that is there", async () => {
    const { store, origin, asked, first } = await world();
    await checkout(store, `${origin}/repo.git#${first}`);
    asked.length = 0;
    await checkout(store, `${origin}/repo.git#${first}`, { env: {} });
    await checkout(store, `${origin}/repo.git#${first}:dir`, { offline: true });
    expect(asked).toEqual([]);
  });

  it("gets commits alone, without their history", async () => {
    const { store, origin } = await world();
    await checkout(store, `${origin}/repo.git`);
    const repositories = fs
      .readdirSync(path.join(store.path, "sources/git"))
      .map((name) => path.join(store.path, "sources/git", name, "repository"))
      .filter((folder) => fs.existsSync(folder));
    expect(repositories).toHaveLength(1);
    expect(git(repositories[0]!, "--git-dir", ".", "rev-list", "--all", "--count")).toBe("1");
  });

  it("gets commits from a server of the old protocol that gives refs only", async () => {
    const { store, origin, root } = await world({ oldProtocol: true });
    const repo = path.join(root, "repo");
    const lost = git(repo, "rev-parse", "main");
    commit(repo, { "later.txt": "x" });
    const made = await checkout(store, `${origin}/repo.git#${lost}`);
    expect(listing(made.directory)["a.txt"]).toBe("b");
    expect(listing((await checkout(store, `${origin}/repo.git`)).directory)["later.txt"]).toBe("x");
  });

  it("gets them from plain files, with the history", async () => {
    const { store, origin, first } = await world({ dumb: true });
    expect(listing((await checkout(store, `${origin}/repo.git#v1`)).directory)["a.txt"]).toBe("a");
    expect(listing((await checkout(store, `${origin}/repo.git#main`)).directory)["a.txt"]).toBe("b");
    const other = await openStore();
    expect(listing((await checkout(other, `${origin}/repo.git#${first}`)).directory)["a.txt"]).toBe("a");
  });

  it("compares the commit with a checksum, whole or its beginning", async () => {
    const { store, origin, root, first, second } = await world();
    const at = (address: string) => resolveGit(store, request(`${origin}/repo.git${address}`));
    expect((await at(`?ref=main&checksum=${second.slice(0, 7)}`)).commit).toBe(second);
    expect((await at(`?ref=main&checksum=${second.toUpperCase()}`)).commit).toBe(second);
    const tag = git(path.join(root, "repo"), "rev-parse", "v1");
    expect((await at(`?ref=v1&checksum=${tag.slice(0, 9)}`)).commit).toBe(first);
    const error = await failure(at(`?ref=v1&checksum=${second}`));
    expect(error.code).toBe("CONTENT_INVALID");
    expect(error.message).toBe(`expected checksum to match ${second}, got ${tag} or ${first}`);
    expect((await at(`?checksum=${first}`)).commit).toBe(first);
    expect((await failure(at(`?checksum=${first.slice(0, 9)}`))).message).toContain(`got ${second}`);
    expect((await failure(at(`?ref=${first}&checksum=${second}`))).message).toContain(`got ${first}`);
  });

  it("fetches by commit what its ref has left", async () => {
    const { store, origin, root, second } = await world();
    commit(path.join(root, "repo"), { "a.txt": "c" });
    const made = await checkout(store, `${origin}/repo.git?ref=main&checksum=${second}&fetch-by-commit=1`);
    expect(made.commit).toBe(second);
    expect(listing(made.directory)["a.txt"]).toBe("b");
  });

  it("has one identity for one content: never by address or credentials", async () => {
    const { store, origin, first } = await world();
    const id = async (address: string, more: Partial<GitRequest> = {}) =>
      (await resolveGit(store, request(address, more))).identity;
    const plain = await id(`${origin}/repo.git#v1`);
    expect(plain).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await id(`${origin}/repo.git#${first}`)).toBe(plain);
    expect(await id(`${origin.replace("//", "//me:pw@")}/repo.git#light`)).toBe(plain);
    expect(await id(`${origin}/repo.git?tag=v1&submodules=1&mtime=checkout&checksum=${first}`)).toBe(plain);
    const others = [
      await id(`${origin}/repo.git`),
      await id(`${origin}/repo.git#v1:dir`),
      await id(`${origin}/repo.git?tag=v1&submodules=0`),
      await id(`${origin}/repo.git?tag=v1&mtime=commit`),
      await id(`${origin}/repo.git#v1`, { keepGitDir: true }),
    ];
    expect(new Set([plain, ...others]).size).toBe(6);
  });

  it("gives all files the time of the commit if asked to", async () => {
    const { store, origin } = await world();
    const { directory, committed } = await checkout(store, `${origin}/repo.git?mtime=commit`);
    for (const name of ["", "a.txt", "link", "dir", "dir/sub/n"]) {
      expect(fs.lstatSync(path.join(directory, name)).mtimeMs).toBe(committed * 1000);
    }
  });

  it("is a directory of the repository where a subdir is given", async () => {
    const { store, origin } = await world();
    expect(listing((await checkout(store, `${origin}/repo.git#main:dir`)).directory)).toEqual({
      "sub/": "",
      "sub/n": "n",
    });
    expect(
      listing((await checkout(store, `${origin}/repo.git?subdir=/dir/./sub/`, { keepGitDir: true })).directory),
    ).toEqual({ n: "n" });
    const missing = await failure(checkout(store, `${origin}/repo.git#main:dir/no`));
    expect([missing.code, missing.message]).toEqual([
      "SOURCE_NOT_FOUND",
      `invalid subdir /dir/no of ${origin}/repo.git: there is no "dir/no"`,
    ]);
    expect((await failure(checkout(store, `${origin}/repo.git#main:a.txt`))).message).toContain(
      'contains non-directory "a.txt"',
    );
  });

  it("leaves names as bytes, and line ends as the repository says", async () => {
    const { store, origin, root } = await world();
    const repo = path.join(root, "repo");
    fs.writeFileSync(Buffer.from(`${repo}/caf\xe9`, "latin1"), "x");
    commit(repo, {
      ".gitattributes": "*.crlf text eol=crlf\n*.bin filter=lfs\n",
      "a.crlf": "1\n2\n",
      "big.bin": "version https://git-lfs\n",
    });
    const { directory } = await checkout(store, `${origin}/repo.git`);
    expect(fs.readdirSync(directory, { encoding: "buffer" }).map((name) => name.toString("latin1"))).toContain(
      "caf\xe9",
    );
    expect(fs.readFileSync(path.join(directory, "a.crlf"), "utf8")).toBe("1\r\n2\r\n");
    expect(fs.readFileSync(path.join(directory, "big.bin"), "utf8")).toBe("version https://git-lfs\n");
  });

  it("keeps a .git with the commit, the ref and the remote, without credentials, hooks or history", async () => {
    const { store, origin, second, root } = await world();
    const address = `${origin.replace("//", "//me:password@")}/repo.git#main`;
    const { directory } = await checkout(store, address, { keepGitDir: true });
    expect(git(directory, "status", "--porcelain")).toBe("");
    expect(git(directory, "rev-parse", "HEAD", "refs/heads/main")).toBe(`${second}\n${second}`);
    expect(git(directory, "rev-list", "--count", "HEAD")).toBe("1");
    expect(git(directory, "remote", "get-url", "origin")).toBe(`${origin}/repo.git`);
    expect(git(directory, "fsck", "--full")).toBe("");
    expect(fs.existsSync(path.join(directory, ".git/hooks"))).toBe(false);
    expect(fs.statSync(path.join(directory, ".git")).mode & 0o777).toBe(0o755);
    const tagged = await checkout(store, `${origin}/repo.git#v1`, { keepGitDir: true });
    expect(git(tagged.directory, "describe", "--tags")).toBe(git(path.join(root, "repo"), "describe", "v1"));
    expect(git(tagged.directory, "cat-file", "-t", "v1")).toBe("tag");
    await gitOnline(directory, "fetch", "--quiet", "--unshallow", "origin");
    expect(git(directory, "rev-list", "--count", "HEAD")).toBe("2");
  });

  it("reads a repository of SHA-256 ids", async () => {
    const { store, origin, root } = await world();
    fs.mkdirSync(path.join(root, "sha"));
    git(path.join(root, "sha"), "init", "--quiet", "--object-format=sha256");
    const id = commit(path.join(root, "sha"), { f: "f" });
    expect(id).toHaveLength(64);
    expect((await checkout(store, `${origin}/sha.git`)).commit).toBe(id);
    const kept = await checkout(store, `${origin}/sha.git#${id}`, { keepGitDir: true });
    expect(git(kept.directory, "status", "--porcelain")).toBe("");
  });

  it("says which refs there are when one is unknown", async () => {
    const { store, origin } = await world();
    const error = await failure(resolveGit(store, request(`${origin}/repo.git#mian`)));
    expect(error.code).toBe("SOURCE_NOT_FOUND");
    expect(error.message).toBe(`${origin}/repo.git does not contain ref mian`);
    expect(error.hint).toBe("did you mean main?");
    const other = await failure(resolveGit(store, request(`${origin}/repo.git#zzzzzzz`)));
    expect(other.hint).toBe("it has feature/x, main, light, v1");
    const short = await failure(resolveGit(store, request(`${origin}/repo.git#1234567`)));
    expect(short.hint).toContain("a commit must be given by its whole id");
    const commitId = "1".repeat(40);
    const lost = await failure(checkout(store, `${origin}/repo.git#${commitId}`));
    expect([lost.code, lost.message]).toEqual([
      "SOURCE_NOT_FOUND",
      `${origin}/repo.git does not contain commit ${commitId}`,
    ]);
  });

  it("says of an empty repository that it has no default branch", async () => {
    const { store, origin, root } = await world();
    fs.mkdirSync(path.join(root, "empty"));
    git(path.join(root, "empty"), "init", "--quiet");
    expect((await failure(checkout(store, `${origin}/empty.git`))).message).toBe(
      `${origin}/empty.git has no default branch`,
    );
  });

  it("says what is wrong with a remote that cannot be read", async () => {
    const { store, origin } = await world({ authorization: "Basic right" });
    const denied = await failure(checkout(store, `${origin}/repo.git`));
    expect(denied.code).toBe("NETWORK");
    expect(denied.message).toContain(`${origin}/repo.git cannot be read without credentials`);
    expect(denied.hint).toContain("GIT_AUTH_TOKEN.127.0.0.1");
    const closed = await failure(checkout(store, "http://127.0.0.1:1/repo.git"));
    expect(closed.message).toContain("http://127.0.0.1:1/repo.git cannot be reached: Failed to connect");
    const open = await world();
    expect((await failure(checkout(store, `${open.origin}/none.git`))).message).toBe(
      `there is no git repository at ${open.origin}/none.git`,
    );
  });

  it("says what to install where there is no git", async () => {
    const { store, origin } = await world();
    const error = await failure(checkout(store, `${origin}/repo.git`, { env: { PATH: "/nonexistent:relative" } }));
    expect([error.code, error.hint]).toEqual([
      "TOOL_MISSING",
      "install git (Debian: git), or copy the files into the context",
    ]);
  });

  it("works offline with what was fetched before", async () => {
    const { store, origin, root, second } = await world();
    const none = await failure(checkout(store, `${origin}/repo.git`, { offline: true }));
    expect([none.code, none.message]).toEqual([
      "NETWORK",
      `the build is offline, and what its default branch stands for of ${origin}/repo.git is not in the store`,
    ]);
    await checkout(store, `${origin}/repo.git#main`);
    commit(path.join(root, "repo"), { "a.txt": "c" });
    expect((await checkout(store, `${origin}/repo.git#main`, { offline: true })).commit).toBe(second);
    expect((await failure(checkout(store, `${origin}/repo.git#v1`, { offline: true }))).message).toContain(
      "what v1 stands for",
    );
  });

  it("ends git and all its helpers when it is stopped, and goes on after that", async () => {
    const stop = new AbortController();
    const { store, origin } = await world({
      intercept: ({ method }) => {
        if (method !== "POST" || stop.signal.aborted) return false;
        stop.abort();
        return true;
      },
    });
    const error = await failure(checkout(store, `${origin}/repo.git`, { signal: stop.signal }));
    expect(error.code).toBe("CANCELLED");
    const running = fs
      .readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .filter((pid) => {
        try {
          return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(origin);
        } catch {
          return false;
        }
      });
    expect(running).toEqual([]);
    expect(listing((await checkout(store, `${origin}/repo.git`)).directory)["a.txt"]).toBe("b");
  });

  it("fetches anew what is damaged in the store", async () => {
    const { store, origin, second } = await world();
    await checkout(store, `${origin}/repo.git`);
    const entries = fs
      .readdirSync(path.join(store.path, "sources/git"))
      .map((name) => path.join(store.path, "sources/git", name));
    for (const entry of entries) {
      fs.rmSync(path.join(entry, "facts"), { force: true });
      const packs = path.join(entry, "repository/objects/pack");
      if (!fs.existsSync(packs)) continue;
      for (const name of fs.readdirSync(packs).filter((file) => file.endsWith(".pack"))) {
        const file = path.join(packs, name);
        fs.chmodSync(file, 0o644);
        fs.writeFileSync(file, fs.readFileSync(file).fill(0, 12, 200));
      }
    }
    const made = await checkout(store, `${origin}/repo.git`);
    expect(made.commit).toBe(second);
    expect(listing(made.directory)["a.txt"]).toBe("b");
  });

  it("is laid out once by many at the same time", async () => {
    const { store, origin } = await world();
    const all = await Promise.all(
      ["#main", "", "#main:dir", "?branch=main"].map((ref) => checkout(store, `${origin}/repo.git${ref}`)),
    );
    expect(new Set(all.map(({ commit: id }) => id)).size).toBe(1);
    expect(all[2]!.directory).toBe(`${all[0]!.directory}/dir`);
  });

  it("tells of git's progress", async () => {
    const { store, origin } = await world();
    const lines: string[] = [];
    await checkout(store, `${origin}/repo.git`, { onProgress: (line) => lines.push(line) });
    expect(lines.some((line) => line.includes("objects"))).toBe(true);
  });
});
