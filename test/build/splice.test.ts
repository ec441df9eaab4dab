import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutTree } from "../../src/compose/outTree.js";
import { writeEntries } from "../../src/compose/write.js";
import { sha256Hex } from "../../src/support/hash.js";
import { indexOf, readerOf, tarOf, treeOf, writtenLayer } from "../layer/helpers.js";
import { layersOf, Project, scratch } from "./helpers.js";

const DOCKERFILE = "FROM scratch\nCOPY . /x\n";

/** Changes to a context, by name; `n` chooses among its files. */
const changes: Readonly<Record<string, (dir: string, n: number) => void>> = {
  touch: (dir, n) => utimesSync(file(dir, n), n, 1_600_000_000 + n),
  edit: (dir, n) => rewrite(file(dir, n), (old) => old.toUpperCase()),
  grow: (dir, n) => rewrite(file(dir, n), (old) => old + "more".repeat(n * 40)),
  add: (dir, n) => writeFileSync(join(dir, `new${n}`), `new ${n}`),
  remove: (dir, n) => rmSync(file(dir, n)),
  rename: (dir, n) => renameSync(file(dir, n), join(dir, `renamed${n}`)),
  chmod: (dir, n) => chmodSync(file(dir, n), 0o600 + n),
  toDirectory: (dir, n) => {
    rmSync(file(dir, n));
    mkdirSync(file(dir, n));
    writeFileSync(join(file(dir, n), "in"), "in");
  },
  toSymlink: (dir, n) => {
    rmSync(file(dir, n));
    symlinkSync("elsewhere", file(dir, n));
  },
  loseFirstName: (dir) => {
    if (existsSync(join(dir, "linked1"))) rmSync(join(dir, "linked1"));
  },
  link: (dir, n) => {
    const path = join(dir, `hard${n}`);
    if (!existsSync(path)) linkSync(file(dir, n), path);
  },
};

function file(dir: string, n: number): string {
  return join(dir, n % 2 ? `f${n}` : `d/f${n}`);
}

function rewrite(path: string, edit: (old: string) => string): void {
  writeFileSync(path, edit(readFileSync(path, "latin1")), "latin1");
}

function freshProject(): Project {
  const project = new Project();
  for (let n = 0; n < 8; n++) project.put({ [n % 2 ? `f${n}` : `d/f${n}`]: `content ${n} `.repeat(1 + n * 60) });
  project.put({ linked1: "shared" });
  linkSync(join(project.dir, "linked1"), join(project.dir, "linked2"));
  linkSync(join(project.dir, "linked1"), join(project.dir, "d/linked3"));
  return project;
}

describe("a spliced layer", () => {
  test("property: equals a fresh one byte for byte, whatever has changed", async () => {
    const change = fc.tuple(fc.constantFrom(...Object.keys(changes)), fc.integer({ min: 0, max: 7 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (list) => {
        const project = freshProject();
        await project.build(DOCKERFILE);
        for (const [name, n] of list) {
          const needsFile = !["add", "loseFirstName"].includes(name);
          if (needsFile && !lstatSync(file(project.dir, n), { throwIfNoEntry: false })?.isFile()) continue;
          changes[name]!(project.dir, n);
        }
        const spliced = await project.build(DOCKERFILE);
        const fresh = await project.build(DOCKERFILE, { store: join(scratch(), "store") });
        // A file that is only touched is a hit: then there is nothing to compare.
        if (spliced.steps[0]!.outcome === "done") expect(layersOf(spliced)).toEqual(layersOf(fresh));
      }),
      { numRuns: 40 },
    );
  });

  test("reads unchanged contents from the old layer, not from their files", async () => {
    const members = [
      { path: "a", content: "A" },
      { path: "b", content: "B".repeat(9000) },
      { path: "c", content: "C" },
    ];
    const old = tarOf(members);
    const opened: string[] = [];
    const out = new OutTree(treeOf([]));
    for (const { path, content } of [...members.slice(0, 2), { path: "c", content: "changed" }]) {
      const bytes = Buffer.from(content);
      out.put(out.root, path, {
        type: "file",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        content: {
          size: bytes.length,
          digest: sha256Hex(bytes),
          open: () => {
            opened.push(path);
            return readerOf(bytes);
          },
        },
      });
    }
    const previous = {
      index: indexOf(old).index,
      content: {
        prepare: async () => {},
        read: (target: Buffer, at: number, length: number, position: number) =>
          old.copy(target, at, position, position + length),
      },
    };
    const { tar } = await writtenLayer((writer) => writeEntries(out, writer, { previous }));
    expect(opened).toEqual(["c"]);
    expect(tar.equals(tarOf([...members.slice(0, 2), { path: "c", content: "changed" }]))).toBe(true);
  });

  test("a damaged old layer is noticed, told of, and not copied from", async () => {
    const project = freshProject();
    const first = await project.build(DOCKERFILE);
    const blob = join(project.store, "blobs/sha256", layersOf(first)[0]!.slice(7));
    const bytes = readFileSync(blob);
    bytes[bytes.indexOf("content 3")]! ^= 1;
    chmodSync(blob, 0o644);
    writeFileSync(blob, bytes);
    project.put({ added: "so that there is a miss" });
    const second = await project.build(DOCKERFILE);
    expect(second.warnings.map(({ rule }) => rule)).toContain("DamagedLayer");
    const fresh = await project.build(DOCKERFILE, { store: join(scratch(), "store") });
    expect(layersOf(second)).toEqual(layersOf(fresh));
  });
});
