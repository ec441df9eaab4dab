import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { commit, git, write } from "./gitServer.js";
import { checkout, failure, listing, type World, world } from "./gitWorld.js";

/** Adds a submodule to a repository without asking anybody: the entry in the tree, and what `.gitmodules` says. */
function addSubmodule(repo: string, name: string, place: string, url: string, id: string): string {
  const file = path.join(repo, ".gitmodules");
  const before = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  write(repo, { ".gitmodules": `${before}[submodule "${name}"]\n\tpath = ${place}\n\turl = ${url}\n` });
  git(repo, "add", ".gitmodules");
  git(repo, "update-index", "--add", "--cacheinfo", `160000,${id},${place}`);
  git(repo, "commit", "--quiet", "-m", "submodule");
  return git(repo, "rev-parse", "HEAD");
}

/** `repo` has `sub` at `lib/sub`, which has `deep` at `inner`. */
async function nested(): Promise<World> {
  const made = await world();
  const deep = commit(path.join(made.root, "deep"), { "d.txt": "deep" });
  commit(path.join(made.root, "sub"), { "s.txt": "sub" });
  const sub = addSubmodule(path.join(made.root, "sub"), "in/ner", "inner", "../deep.git", deep);
  addSubmodule(path.join(made.root, "repo"), "sub", "lib/sub", `${made.origin}/sub.git`, sub);
  return made;
}

describe.skipIf(toolMissing("git"))("submodules", () => {
  it("are there with theirs, by addresses of their own and relative ones, and without any .git", async () => {
    const { store, origin } = await nested();
    const files = listing((await checkout(store, `${origin}/repo.git`)).directory);
    expect(files["lib/sub/s.txt"]).toBe("sub");
    expect(files["lib/sub/inner/d.txt"]).toBe("deep");
    expect(Object.keys(files).filter((name) => /(?:^|\/)\.git(?:\/|$)/.test(name))).toEqual([]);
    expect(
      fs.existsSync(path.join((await checkout(store, `${origin}/repo.git#main:lib/sub/inner`)).directory, "d.txt")),
    ).toBe(true);
  });

  it("are empty directories where they are not wanted", async () => {
    const { store, origin } = await nested();
    const files = listing((await checkout(store, `${origin}/repo.git?submodules=false`)).directory);
    expect(Object.keys(files).filter((name) => name.startsWith("lib"))).toEqual(["lib/", "lib/sub/"]);
  });

  it("are repositories that git can work with where .git is kept", async () => {
    const { store, origin } = await nested();
    const { directory } = await checkout(store, `${origin}/repo.git`, { keepGitDir: true });
    expect(git(directory, "status", "--porcelain")).toBe("");
    expect(
      git(directory, "submodule", "status", "--recursive")
        .split("\n")
        .map((line) => line.trim().split(" ")[1]),
    ).toEqual(["lib/sub", "lib/sub/inner"]);
    expect(git(path.join(directory, "lib/sub/inner"), "remote", "get-url", "origin")).toBe(`${origin}/deep.git`);
    expect(fs.readFileSync(path.join(directory, "lib/sub/.git"), "utf8")).toBe("gitdir: ../../.git/modules/sub\n");
  });

  it("are left out where .gitmodules says so, and missed where it says nothing of them", async () => {
    const { store, root, origin } = await nested();
    const repo = path.join(root, "repo");
    git(repo, "config", "--file", ".gitmodules", "submodule.sub.update", "none");
    git(repo, "commit", "--quiet", "-m", "none", ".gitmodules");
    expect(listing((await checkout(store, `${origin}/repo.git`)).directory)["lib/sub/s.txt"]).toBeUndefined();
    git(repo, "update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},other`);
    git(repo, "commit", "--quiet", "-m", "other");
    const error = await failure(checkout(store, `${origin}/repo.git`));
    expect([error.code, error.message, error.hint]).toEqual([
      "CONTENT_INVALID",
      `submodule "other" of ${origin}/repo.git: no url found for it in .gitmodules`,
      "leave submodules out with submodules=0 in the address",
    ]);
  });
});
