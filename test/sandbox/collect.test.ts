import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { layerIndex } from "../../src/image/layers.js";
import { LayerIndex } from "../../src/layer/layerIndex.js";
import { LayerTree, type StackedLayer } from "../../src/layer/layerTree.js";
import { layerType } from "../../src/oci/mediaTypes.js";
import { type CollectRequest, collectUpper } from "../../src/sandbox/collect.js";
import type { Store } from "../../src/store/store.js";
import { canOverlay, inOverlay, overlaid, treeOfTar, viewOf, type World } from "../layer/upperWorld.js";
import { openStore } from "../store/helpers.js";

const BASE = `
mkdir -p d/sub e etc/deep
echo one > d/one; echo two > d/two; echo deep > d/sub/deep; echo e > e/file; echo x > etc/deep/x
ln -s one d/link; ln d/one d/hard
find . -exec touch -h -d '2020-01-02 03:04:05.678' {} +; touch -d @77 etc`;

async function collect(world: World, more: Partial<CollectRequest> = {}) {
  const store = await openStore();
  const warnings: string[] = [];
  const collected = await collectUpper({
    store,
    upper: world.upper,
    below: world.below,
    stubs: new Set(),
    hand: { overlayXattrs: "trusted", singleId: false },
    mtime: undefined,
    warn: (rule, message) => warnings.push(`${rule}: ${message}`),
    ...more,
  });
  return { ...collected, store, warnings, paths: pathsIn(world.upper) };
}

/** What lies in a directory on disk. */
function pathsIn(dir: string): string[] {
  return execFileSync("find", [".", "-mindepth", "1"], { cwd: dir, encoding: "latin1" })
    .split("\n")
    .filter(Boolean)
    .map((line) => line.slice(2))
    .sort();
}

function stacked(store: Store, diffId: CollectedId): StackedLayer {
  return treeOfTar(fs.readFileSync(store.blobPath(diffId))).layers[0]!;
}
type CollectedId = Awaited<ReturnType<typeof collectUpper>>["layer"]["diffId"];

/** What the index tree says in the words of a listing: name, type and mode, owner, time. */
function shownByIndex(world: World, layer: StackedLayer): string[] {
  const tree = new LayerTree([world.below.layers[0]!, layer]);
  const kinds = { file: "100", dir: "40", symlink: "120", char: "20", block: "60", fifo: "10" };
  const out: string[] = [];
  const visit = (node: Parameters<LayerTree["children"]>[0], above: string): void => {
    for (const child of tree.children(node)) {
      const mode = kinds[child.type] + child.mode.toString(8).padStart(child.mode > 0o777 ? 4 : 3, "0");
      out.push(`b'${above}${child.name}' ${mode} ${child.uid}:${child.gid} ${child.mtime}`);
      visit(child, `${above}${child.name}/`);
    }
  };
  visit(tree.root, "");
  return out;
}

const shownOnDisk = (world: World): string[] => viewOf(world.dir).map((line) => /^b'[^']*' \S+ \S+ \S+/.exec(line)![0]);

describe.skipIf(!canOverlay)("collecting an upper directory", () => {
  test("gives a layer in the store, with its index", async () => {
    const world = overlaid(BASE, "echo new > d/new; rm e/file");
    const { layer, store, upperUse } = await collect(world);
    expect(store.blobSize(layer.diffId)).toBe(layer.size);
    const stored = LayerIndex.decode(store.readIndex(layer.diffId)!);
    const fresh = await layerIndex(await copyOf(store, layer), {
      diffId: layer.diffId,
      descriptor: { mediaType: layerType("none"), digest: layer.diffId, size: layer.size },
    });
    expect(stored.encode().equals(fresh.encode())).toBe(true);
    expect(upperUse).toBe("layer");
  });

  test("gives the empty layer where nothing changed, and leaves nothing behind", async () => {
    const world = overlaid(BASE, "chmod 700 d/one; chmod 644 d/one; touch e/x; rm e/x; chmod 700 .; touch .");
    const { layer, paths, upperUse } = await collect(world);
    expect(layer.size).toBe(1024);
    expect(layer.diffId).toBe("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
    expect(paths).toEqual([]);
    expect(upperUse).toBe("layer");
    const root = fs.statSync(world.upper);
    expect([root.mode & 0o7777, Math.floor(root.mtimeMs / 1000)]).toEqual([
      world.below.root.mode,
      world.below.root.mtime,
    ]);
  });

  test.each([
    ["additions and removals", "echo new > d/sub/new; rm e/file; mkdir -p q/w; touch q/w/f; rm d/link", "layer"],
    [
      "what only looks touched",
      "touch d/x; rm d/x; chmod 1 d/two; chmod 644 d/two; echo n > etc/deep/n; echo z > d/sub/z",
      "layer",
    ],
    [
      "a changed directory in which something only looks touched",
      "chmod 700 d; chmod 1 d/two; chmod 644 d/two",
      "layer",
    ],
    ["a directory made again", "rm -r d; mkdir d; echo n > d/n", "stack"],
    ["a directory made again as it was", "cp -a d x; rm -r d; mv x d", "stack"],
    ["a directory made again in part", "cp -a d x; rm -r d; mv x d; rm d/two; echo n > d/sub/n; chmod 700 d", "stack"],
    ["a directory made again, of which nothing was hidden", "mkdir e/s; rm -r e/s; mkdir e/s", "layer"],
    ["types exchanged", "rm -r d; echo f > d; rm e/file; mkdir e/file; touch e/file/x", "layer"],
    ["hard links", "ln e/file e/l; ln d/one q; echo x >> d/hard", "layer"],
  ])("leaves a directory that shows what the index shows: %s", async (_what, run, use) => {
    for (const mtime of [undefined, 1_234_567_890]) {
      const world = overlaid(BASE, run);
      const { layer, store, upperUse } = await collect(world, { mtime });
      expect(upperUse).toBe(use);
      expect(shownOnDisk(world)).toEqual(shownByIndex(world, stacked(store, layer.diffId)));
      if (mtime !== undefined) continue;
      const without = (lines: readonly string[]) => lines.map((line) => line.replace(/^(b'[^']*' 4\d+ \S+) \d+/, "$1"));
      expect(without(viewOf(world.dir))).toEqual(world.merged);
    }
  });

  test("gives every entry of a reproducible layer one time, on disk too, and touches nothing that a symlink leads to", async () => {
    const outside = overlaid("true", "true").dir;
    fs.writeFileSync(`${outside}/victim`, "");
    const before = fs.statSync(`${outside}/victim`).mtimeMs;
    const world = overlaid(
      BASE,
      `ln -s ${outside}/victim out; ln -s ${outside} dirlink; echo x > d/f; rm d/one; mkfifo p; mkdir n`,
    );
    const { layer, store } = await collect(world, { mtime: 1_000 });
    for (const name of ["out", "dirlink", "d/f", "d/one", "p", "n"]) {
      const { mtimeMs } = fs.lstatSync(`${world.upper}/${name}`);
      // A whiteout has no time that anybody sees.
      if (name !== "d/one") expect([name, mtimeMs]).toEqual([name, 1_000_000]);
    }
    expect(fs.statSync(`${outside}/victim`).mtimeMs).toBe(before);
    const { index } = stacked(store, layer.diffId);
    for (let entry = 1; entry < index.count; entry++)
      if (!index.isImplied(entry)) expect(index.mtime(entry)).toBe(1_000);
  });

  test("gives the same layer twice for the same work, if times are set", async () => {
    const run =
      "rm -r d; mkdir -p d/sub; echo x > d/sub/f; echo y > y; ln y z; ln -s y l; touch e; chmod 600 etc/deep/x";
    const one = await collect(overlaid(BASE, run), { mtime: 5 });
    const other = await collect(overlaid(BASE, `sleep 1; ${run}`), { mtime: 5 });
    expect(other.layer).toEqual(one.layer);
  });

  test("removes what is left of mount points", async () => {
    const world = overlaid(
      BASE,
      "mkdir -p run/secrets e/mnt; touch run/secrets/key etc/resolv.conf; mkdir -p kept/sub; echo x > kept/x",
    );
    const stubs = new Set(["run", "run/secrets", "run/secrets/key", "etc/resolv.conf", "e/mnt", "kept", "kept/sub"]);
    const { paths, layer, store } = await collect(world, { stubs });
    expect(paths).toEqual(["kept", "kept/x"]);
    expect(shownOnDisk(world)).toEqual(shownByIndex(world, stacked(store, layer.diffId)));
  });

  test("removes sockets, and does not offer a directory in which one stands where nothing may be", async () => {
    const socket = (name: string) => `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("${name}")'`;
    const first = await collect(overlaid(BASE, socket("e/s")));
    expect([first.paths, first.upperUse]).toEqual([[], "layer"]);
    const second = await collect(overlaid(BASE, `rm e/file; ${socket("e/file")}`));
    expect(second.upperUse).toBe("nothing");
  });

  test("warns of names that mean something else in a layer, and does not offer the directory", async () => {
    const { warnings, upperUse, store, layer } = await collect(overlaid(BASE, "echo x > d/.wh.two"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("d/.wh.two");
    expect(upperUse).toBe("nothing");
    const index = LayerIndex.decode(store.readIndex(layer.diffId)!);
    expect(index.type(index.find("d/two"))).toBe("whiteout");
  });

  test("leaves nothing in the store when it fails", async () => {
    const world = overlaid(BASE, "echo x > x");
    const store = await openStore();
    const controller = new AbortController();
    controller.abort();
    await expect(collect(world, { store, signal: controller.signal })).rejects.toMatchObject({ code: "CANCELLED" });
    expect(fs.existsSync(`${store.path}/tmp`) ? fs.readdirSync(`${store.path}/tmp`) : []).toEqual([]);
  });

  test("can be done over the snapshot of the step before", async () => {
    const world = overlaid(BASE, "echo one > first; rm d/two; touch e");
    const first = await collect(world, { mtime: 9 });
    const tree = new LayerTree([world.below.layers[0]!, stacked(first.store, first.layer.diffId)]);
    // The next step sees the first one's upper directory as a lower one.
    fs.renameSync(world.upper, `${world.dir}/snapshot`);
    fs.unlinkSync(`${world.dir}/lower`);
    execFileSync("cp", ["-a", `${world.dir}/snapshot`, `${world.dir}/lower`]);
    fs.mkdirSync(world.upper);
    inOverlay(
      world.dir,
      "echo two > second; chmod 700 first; chmod 644 first; echo more >> first; echo one > first; touch -d @9 first",
    );
    const { paths } = await collect({ ...world, below: tree }, { mtime: 9 });
    expect(paths).toEqual(["second"]);
  });
});

/** A store with a layer's blob and without its index. */
async function copyOf(store: Store, layer: { readonly diffId: CollectedId; readonly size: number }): Promise<Store> {
  const copy = await openStore();
  copy.putBlob(fs.readFileSync(store.blobPath(layer.diffId)));
  return copy;
}
