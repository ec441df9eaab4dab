/** Git addresses and repositories that mean harm. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { commit, git, gitFolder, serveGit, write } from "../context/gitServer.js";
import { checkout, failure, listing, world } from "../context/gitWorld.js";
import { findTool, toolMissing } from "../setup/tools.js";

/** A PATH on which `name` notes its arguments and environment in a file, then does what it always does. */
function watched(name: string, then: string): { readonly env: Record<string, string>; readonly log: string } {
  const folder = gitFolder();
  const log = path.join(folder, "log");
  const script = `#!/bin/sh\n{ printf '%s ' "$0" "$@"; echo; env; } >>'${log}'\n${then}\n`;
  fs.writeFileSync(path.join(folder, name), script, { mode: 0o755 });
  return { env: { PATH: `${folder}:${process.env.PATH}` }, log };
}

/** Everything that lies in a directory, as one text. */
function contentOf(directory: string): string {
  const texts = fs.readdirSync(directory, { recursive: true, withFileTypes: true, encoding: "utf8" });
  return texts
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${fs.readFileSync(path.join(entry.parentPath, entry.name), "latin1")}`)
    .join("\n");
}

/** A tree object with these entries, whether git would make such a one or not. */
function rawTree(repo: string, entries: readonly (readonly [mode: string, name: string, id: string])[]): string {
  const parts = entries.flatMap(([mode, name, id]) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
  const args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
  return execFileSync("git", args, { cwd: repo, input: Buffer.concat(parts) })
    .toString()
    .trim();
}

function rawCommit(repo: string, tree: string): string {
  const id = git(repo, "commit-tree", "-m", "raw", tree);
  git(repo, "update-ref", "refs/heads/raw", id);
  return id;
}

const blob = (repo: string, text: string): string =>
  execFileSync("git", ["hash-object", "-w", "--stdin"], { cwd: repo, input: text }).toString().trim();

describe.skipIf(toolMissing("git"))("git sources", () => {
  it("show credentials of an address to nobody but its origin: not in arguments, messages or files", async () => {
    const secret = "s3cretpassword";
    const header = `Basic ${Buffer.from(`me:${secret}`).toString("base64")}`;
    const { store, origin, asked } = await world({ authorization: header });
    const { env, log } = watched("git", `exec ${findTool("git")} "$@"`);
    const lines: string[] = [];
    const address = `${origin.replace("//", `//me:${secret}@`)}/repo.git`;
    const { directory } = await checkout(store, address, {
      env,
      keepGitDir: true,
      onProgress: (line) => lines.push(line),
    });
    expect(listing(directory)["a.txt"]).toBe("b");
    expect(asked.some(({ authorization }) => authorization === header)).toBe(true);
    const commands = fs
      .readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line.includes("/git "));
    expect(commands.some((line) => line.includes(" fetch "))).toBe(true);
    const encoded = header.slice(6);
    for (const text of [commands.join("\n"), lines.join("\n"), contentOf(store.path)]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(encoded);
    }
    const error = await failure(checkout(store, `${origin.replace("//", "//me:wrongpassword@")}/repo.git#other`));
    expect(JSON.stringify([error.message, error.hint, error.facts])).not.toContain("wrongpassword");
  });

  it("send a token as BuildKit does, and to submodules of the same origin only", async () => {
    const token = `Basic ${Buffer.from("x-access-token:tok").toString("base64")}`;
    const { store, origin, root, asked } = await world({ authorization: token });
    const other = await serveGit(root);
    const repo = path.join(root, "repo");
    const sub = commit(path.join(root, "sub"), { s: "s" });
    write(repo, {
      ".gitmodules": `[submodule "near"]\n\tpath = near\n\turl = ../sub.git\n[submodule "far"]\n\tpath = far\n\turl = ${other.origin}/sub.git\n`,
    });
    git(repo, "add", ".gitmodules");
    for (const place of ["near", "far"]) git(repo, "update-index", "--add", "--cacheinfo", `160000,${sub},${place}`);
    git(repo, "commit", "--quiet", "-m", "submodules");
    const made = await checkout(store, `${origin}/repo.git`, { secrets: { token: "tok\n" } });
    expect(listing(made.directory)).toMatchObject({ "near/s": "s", "far/s": "s" });
    expect(asked.every(({ authorization }) => authorization === token)).toBe(true);
    expect(other.asked.length).toBeGreaterThan(0);
    expect(other.asked.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  it("follow redirects, but never with credentials", async () => {
    const { store, root, origin, asked } = await world();
    const front = await serveGit(root, {
      intercept: ({ url }, response) => {
        response.writeHead(302, { location: `${origin}${url}` }).end();
        return true;
      },
    });
    expect(listing((await checkout(store, `${front.origin}/repo.git`)).directory)["a.txt"]).toBe("b");
    asked.length = 0;
    const error = await failure(
      checkout(store, `${front.origin}/repo.git#v1`, { secrets: { header: "Bearer hidden" } }),
    );
    expect(error.message).toBe(`${front.origin}/repo.git redirects, and credentials are not sent after a redirect`);
    expect(asked).toEqual([]);
  });

  it("use no settings, hooks, helpers or variables of the user", async () => {
    const { store, origin } = await world();
    const home = gitFolder();
    const trap = path.join(home, "trap");
    write(home, {
      ".gitconfig": `[url "file:///nonexistent/"]\n\tinsteadOf = ${origin}\n[core]\n\thooksPath = ${home}/hooks\n[credential]\n\thelper = "!touch ${trap}"\n`,
      "hooks/reference-transaction": `#!/bin/sh\ntouch ${trap}\n`,
      "template/hooks/reference-transaction": `#!/bin/sh\ntouch ${trap}\n`,
    });
    const env = {
      ...process.env,
      HOME: home,
      GIT_CONFIG_GLOBAL: `${home}/.gitconfig`,
      GIT_TEMPLATE_DIR: `${home}/template`,
      GIT_SSH_COMMAND: `touch ${trap}`,
      GIT_DIR: home,
      GIT_ALLOW_PROTOCOL: "file:ext",
      GIT_EXEC_PATH: home,
      LD_PRELOAD: `${home}/none.so`,
    };
    expect(listing((await checkout(store, `${origin}/repo.git`, { env, keepGitDir: true })).directory)["a.txt"]).toBe(
      "b",
    );
    expect(fs.existsSync(trap)).toBe(false);
  });

  it.each(["file:///etc", "/etc", "ext::sh -c touch% trap", "git@h:-x", "ssh://-oProxyCommand=x/y", "--upload-pack=x"])(
    "refuse a submodule at %s",
    async (url) => {
      const { store, origin, root } = await world();
      const repo = path.join(root, "repo");
      write(repo, { ".gitmodules": `[submodule "x"]\n\tpath = x\n\turl = "${url}"\n` });
      git(repo, "add", ".gitmodules");
      git(repo, "update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},x`);
      git(repo, "commit", "--quiet", "-m", "x");
      const error = await failure(checkout(store, `${origin}/repo.git`));
      expect([error.code, error.message]).toEqual(["CONTENT_INVALID", expect.stringContaining('submodule "x"')]);
      expect(error.message).toContain("cannot be used");
    },
  );

  it("do not let the name or the path of a submodule lead out of the tree", async () => {
    const { store, origin, root } = await world();
    const repo = path.join(root, "repo");
    const victim = gitFolder();
    const sub = commit(path.join(root, "sub"), { s: "s" });
    const modules = blob(
      repo,
      `[submodule "../../../x"]\n\tpath = a/x\n\turl = ../sub.git\n[submodule "ok"]\n\tpath = b/x\n\turl = ../sub.git\n`,
    );
    const link = blob(repo, victim);
    const inner = rawTree(repo, [["160000", "x", sub]]);
    rawCommit(
      repo,
      rawTree(repo, [
        ["100644", ".gitmodules", modules],
        ["40000", "a", inner],
      ]),
    );
    const named = await failure(checkout(store, `${origin}/repo.git#raw`, { keepGitDir: true }));
    expect(named.message).toContain("no url found for it in .gitmodules");
    // Twice the same name: a link, then a directory through which a submodule would be written.
    rawCommit(
      repo,
      rawTree(repo, [
        ["100644", ".gitmodules", modules],
        ["120000", "b", link],
        ["40000", "b", inner],
      ]),
    );
    await checkout(store, `${origin}/repo.git#raw`).catch(() => undefined);
    expect(fs.readdirSync(victim)).toEqual([]);
  });

  it("do not write what a tree puts into .git or outside", async () => {
    const { store, origin, root } = await world();
    const repo = path.join(root, "repo");
    const file = blob(repo, "[core]\n\tfsmonitor = touch trap\n");
    for (const name of [".git", "..", "."]) {
      const inner = rawTree(repo, [["100644", "config", file]]);
      rawCommit(repo, rawTree(repo, [["40000", name, inner]]));
      for (const keepGitDir of [false, true]) {
        const error = await failure(checkout(store, `${origin}/repo.git#raw`, { keepGitDir }));
        expect([error.code, error.message]).toEqual(["CONTENT_INVALID", expect.stringContaining("invalid path")]);
      }
    }
  });

  it("do not follow a link that is named as subdir, wherever it leads", async () => {
    const { store, origin, root } = await world();
    commit(path.join(root, "repo"), {
      root: "-> /",
      up: "-> ../../..",
      "dir/esc": "-> ../../../../etc",
      inside: "-> dir",
    });
    for (const subdir of ["root/etc", "root", "up", "dir/esc", "inside", "inside/sub"]) {
      const error = await failure(checkout(store, `${origin}/repo.git#main:${subdir}`));
      expect([error.code, error.message]).toEqual([
        "SOURCE_NOT_FOUND",
        expect.stringContaining("contains non-directory"),
      ]);
    }
  });

  it("run ssh without its settings, with the given agent alone, and ask no question", async () => {
    const { store, root, second } = await world();
    const { env, log } = watched("ssh", 'for last; do :; done; eval "$last"');
    const address = `ssh://git@host.invalid${root}/repo/.git`;
    const more = { env: { ...env, SSH_AUTH_SOCK: "/users/agent", SSH_ASKPASS: "/x", DISPLAY: ":0" } };
    expect((await checkout(store, address, more)).commit).toBe(second);
    expect(fs.readFileSync(log, "utf8")).not.toMatch(/^(?:SSH_AUTH_SOCK|SSH_ASKPASS|DISPLAY)=/m);
    fs.rmSync(log);
    expect((await checkout(store, `${address}#v1`, { ...more, sshSocket: "/given/agent" })).commit).not.toBe(second);
    const text = fs.readFileSync(log, "utf8");
    expect(text).toContain("\nSSH_AUTH_SOCK=/given/agent\n");
    expect(text).toContain("-F /dev/null");
    for (const option of [
      "BatchMode=yes",
      "IdentityFile=none",
      "StrictHostKeyChecking=accept-new",
      "PermitLocalCommand=no",
    ]) {
      expect(text).toContain(`-o ${option}`);
    }
  });
});
