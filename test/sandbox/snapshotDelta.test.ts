/** Snapshots of layers that were spliced from others: small directories over the old ones. */
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { noteSpliced } from "../../src/sandbox/splicedLayers.js";
import { pruneStore } from "../../src/store/prune.js";
import type { Store } from "../../src/store/store.js";
import { newStore } from "../archive/images.js";
import { type Member, tarOf } from "../layer/helpers.js";
import { toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { overlayView, putLayers, ROOT, snapshotsOf, treeView } from "./overlay.js";

const FILES = 200;
const files = (): Member[] => [
  { path: "d", type: "dir" },
  ...Array.from({ length: FILES }, (_, i) => ({ path: `d/${1000 + i}`, content: `file ${i}`, mtime: i })),
];
const edit = (i: number, by: Partial<Member>): Member[] =>
  files().map((member) => (member.path === `d/${1000 + i}` ? { ...member, ...by } : member));

const BELOW: Member[] = [
  { path: "d", type: "dir" },
  { path: "d/1003", content: "below" },
  { path: "d/below", content: "below" },
];

/** A store in which each of these versions of a layer was spliced from the one before. */
async function spliced(versions: readonly (readonly Member[])[]) {
  const store = await newStore();
  const [base, ...layers] = await putLayers(store, [BELOW, ...versions].map(tarOf));
  layers.forEach((layer, i) => {
    if (i > 0) noteSpliced(store, layer.diffId, layers[i - 1]!.diffId);
  });
  return { store, base: base!, layers };
}

const namesOf = (store: Store) =>
  store.snapshots
    .names()
    .map((name) => name.replace(/[0-9a-f]{64}$/, ""))
    .sort();

describe.skipIf(!canMount() || toolMissing("unshare") || toolMissing("python3"))("a spliced layer", () => {
  test("gets a delta over the whole snapshot of the first one, however many lie between", async () => {
    const { store, base, layers } = await spliced([
      files(),
      edit(7, { content: "changed" }),
      edit(8, { mode: 0o600 }),
      [...edit(9, { content: "longer than before", uid: 7 }).filter(({ path }) => path !== "d/1011"), { path: "new" }],
    ]);
    const { snapshots, open, close } = snapshotsOf(store);
    await snapshots.directories([base, layers[0]!]);
    const last = [base, layers[3]!];
    const directories = await snapshots.directories(last);
    expect(directories).toHaveLength(3);
    expect(fs.readdirSync(directories[0]!).sort()).toEqual(["d", "new"]);
    expect(fs.readdirSync(join(directories[0]!, "d")).sort()).toEqual(["1009", "1011"]);
    expect(overlayView(directories)).toEqual(treeView(await open.tree(last)));
    expect(namesOf(store)).toEqual(["root.", "root.", "root.d-"]);
    expect(await snapshots.directories(last)).toEqual(directories);
    close();
  });

  test("is unpacked whole where a delta would not do: a name is gone that is also below, or all has changed", async () => {
    const { store, base, layers } = await spliced([
      files(),
      files().filter(({ path }) => path !== "d/1003"),
      files().map((member) => ({ ...member, mtime: 5 })),
    ]);
    const { snapshots, open, close } = snapshotsOf(store);
    for (const layer of layers) {
      const directories = await snapshots.directories([base, layer]);
      expect(directories).toHaveLength(2);
      expect(overlayView(directories)).toEqual(treeView(await open.tree([base, layer])));
    }
    close();
  });

  test("is unpacked whole if hints lead in a circle, to nothing, or are damaged", async () => {
    const { store, base, layers } = await spliced([files(), edit(7, { content: "changed" })]);
    noteSpliced(store, layers[0]!.diffId, layers[1]!.diffId);
    const { snapshots, close } = snapshotsOf(store);
    expect(await snapshots.directories([base, layers[1]!])).toHaveLength(2);
    for (const name of fs.readdirSync(join(store.path, "stat"))) {
      fs.writeFileSync(join(store.path, "stat", name), "../../etc/passwd");
    }
    expect(await snapshots.directories([base, layers[0]!])).toHaveLength(2);
    close();
  });

  test("keeps the snapshot that its delta lies on from garbage collection", async () => {
    const { store, base, layers } = await spliced([files(), edit(7, { content: "changed" })]);
    const { snapshots, close } = snapshotsOf(store);
    await snapshots.directories([base, layers[0]!]);
    close();
    const using = snapshotsOf(store);
    const directories = await using.snapshots.directories([layers[1]!]);
    await pruneStore(store, { all: true });
    expect(directories.map((path) => fs.existsSync(path))).toEqual([true, true]);
    expect(namesOf(store)).toEqual(["root.", "root.d-"]);
    using.close();
    await pruneStore(store, { all: true });
    expect(namesOf(store)).toEqual([]);
  });

  test("of which device nodes differ is unpacked whole where they cannot be made", async () => {
    const device = (devMinor: number): Member => ({ path: "null", type: "char", devMajor: 1, devMinor });
    const { store, layers } = await spliced([
      [...files(), { path: "null" }],
      [...files(), device(3)],
    ]);
    const { snapshots, close } = snapshotsOf(store, { ...ROOT, flavour: "user1", devices: false });
    await snapshots.directories([layers[0]!]);
    expect(await snapshots.directories([layers[1]!])).toHaveLength(1);
    close();
  });
});
