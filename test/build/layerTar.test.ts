/** The tar of a layer that a build composes, as Python's tarfile reads it. */
import { execFileSync } from "node:child_process";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { layersOf, Project } from "./helpers.js";

const SCRIPT = `
import json, sys, tarfile
keys = ("name", "mode", "uid", "gid", "mtime", "uname", "gname", "pax_headers")
print(json.dumps([{k: getattr(m, k) for k in keys} | {"dir": m.isdir()} for m in tarfile.open(sys.argv[1])]))
`;

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtime: number;
  readonly uname: string;
  readonly gname: string;
  readonly pax_headers: Readonly<Record<string, string>>;
  readonly dir: boolean;
}

async function entries(project: Project, dockerfile: string): Promise<{ list: Entry[]; blob: string }> {
  const result = await project.build(dockerfile);
  const blob = join(project.store, "blobs/sha256", layersOf(result).at(-1)!.slice(7));
  return { list: JSON.parse(execFileSync("python3", ["-c", SCRIPT, blob], { encoding: "utf8" })), blob };
}

describe.skipIf(toolMissing("python3"))("the tar of a layer", () => {
  test("has relative names in the order of their components, parents first", async () => {
    const project = new Project({ "a.txt": "", "a/b": "", "a/c/d": "", "a-b": "", B: "", é: "" });
    const { list, blob } = await entries(project, "FROM scratch\nCOPY . /x\n");
    expect(list.map(({ name }) => name)).toEqual([
      ...["x", "x/B", "x/a", "x/a/b", "x/a/c", "x/a/c/d", "x/a-b", "x/a.txt", "x/é"],
    ]);
    const listing = execFileSync("tar", ["-tf", blob], { encoding: "utf8" }).split("\n");
    expect(listing.slice(0, 3)).toEqual(["x/", "x/B", "x/a/"]);
  });

  test("has the parents of what it changes, as they are", async () => {
    const project = new Project({ f: "" });
    const text = "FROM scratch\nCOPY --chmod=750 --chown=7:8 f /up/down/f\nCOPY f /up/down/g\n";
    expect((await entries(project, text)).list).toMatchObject([
      { name: "up", mode: 0o750, uid: 7 },
      { name: "up/down", mode: 0o750, uid: 7 },
      { name: "up/down/g", mode: 0o644, uid: 0 },
    ]);
  });

  test("has whole seconds, owners by number alone, and extended headers only where they are needed", async () => {
    const long = `${"l".repeat(90)}/${"n".repeat(120)}`;
    const project = new Project({ f: "", [long]: "", é: "" });
    utimesSync(join(project.dir, "f"), 1_600_000_000.75, 1_600_000_000.75);
    const { list } = await entries(project, "FROM scratch\nCOPY . /\n");
    expect(list.find(({ name }) => name === "f")?.mtime).toBe(1_600_000_000);
    expect(list.every(({ uname, gname, mtime }) => uname + gname === "" && Number.isInteger(mtime))).toBe(true);
    const extended = list.filter(({ pax_headers }) => Object.keys(pax_headers).length > 0);
    expect(extended.map(({ name, pax_headers }) => [name, Object.keys(pax_headers)])).toEqual([
      [long, ["path"]],
      ["é", ["path"]],
    ]);
  });
});
