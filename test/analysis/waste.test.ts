/** Waste of small images, computed by hand, and of any image, computed by playing its layers one after the other. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measureWaste, withImage } from "../../src/analysis/analysis.js";
import { VISIBLE } from "../../src/analysis/copyFacts.js";
import { wastedByLayer } from "../../src/analysis/measureWaste.js";
import { stackOf } from "../../src/analysis/mergedTree.js";
import { findCopies, WASTE_CAUSES } from "../../src/analysis/wasteCopies.js";
import type { ImageWaste, WasteOptions } from "../../src/analysis/wasteTypes.js";
import type { Member } from "../archive/images.js";
import { newStore, putImage } from "../archive/images.js";
import { type Member as SmallMember, treeOf } from "../layer/helpers.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";

const bytes = (count: number, seed = "x"): string => seed.repeat(count);
const file = (path: string, content: string, more: Partial<Member> = {}): Member => ({ path, content, ...more });
const gone = (path: string): Member => ({ path: path.replace(/[^/]*$/, ".wh.$&") });
const hard = (path: string, link: string): Member => ({ path, type: "hardlink", link });

/** @param instructions of the layers, as BuildKit writes them */
function wasteOf(
  layers: readonly (readonly Member[])[],
  instructions: readonly string[] = [],
  options: WasteOptions = {},
): Promise<ImageWaste> {
  const history = layers.map((_, at) => ({ created_by: instructions[at] ?? `RUN step ${at} # buildkit` }));
  const spec = `oci:${writeLayout(makeImage({ layers, config: { history } }))}`;
  return withImage(spec, { env: {} }, {}, (image) => measureWaste(image, options));
}

/** Causes with bytes, the shortest account of an image. */
function told({ stored, visible, causes }: ImageWaste): unknown {
  const wasted = Object.entries(causes).flatMap(([cause, { bytes: sum }]) => (sum > 0 ? [[cause, sum]] : []));
  return { stored, visible, ...Object.fromEntries(wasted) };
}

describe("waste, computed by hand:", () => {
  test.each<[what: string, layers: readonly (readonly Member[])[], expected: object]>([
    ["an image without layers wastes nothing", [], { stored: 0, visible: 0 }],
    ["empty files are worth nothing", [[file("a", "")], [gone("a")]], { stored: 0, visible: 0 }],
    [
      "a newer content: the old one is waste, once",
      [[file("a", bytes(100))], [file("a", bytes(70, "y"))]],
      { stored: 170, visible: 70, overwritten: 100 },
    ],
    [
      "a removed file stays in its layer",
      [[file("d/a", bytes(100)), file("d/b", bytes(5))], [gone("d/a")]],
      { stored: 105, visible: 5, deleted: 100 },
    ],
    [
      "a removed directory takes all below it along",
      [[file("d/a", bytes(100)), file("d/e/b", bytes(50, "b"))], [gone("d")]],
      { stored: 150, visible: 0, deleted: 150 },
    ],
    [
      "an opaque directory hides what it does not bring again",
      [
        [file("d/a", bytes(100, "a")), file("d/b", bytes(50, "b")), file("d/c", bytes(7, "c"))],
        [{ path: "d/.wh..wh..opq" }, file("d/a", bytes(100, "a")), file("d/b", bytes(20, "n"))],
      ],
      { stored: 277, visible: 120, "duplicate-identical": 100, overwritten: 50, deleted: 7 },
    ],
    [
      "another mode or owner stores all bytes again",
      [
        [file("a", bytes(100)), file("b", bytes(50, "b"))],
        [file("a", bytes(100), { mode: 0o600 }), file("b", bytes(50, "b"), { uid: 7 })],
      ],
      { stored: 300, visible: 150, "duplicate-identical": 150 },
    ],
    [
      "three times the same: two are waste",
      [[file("a", bytes(10))], [file("a", bytes(10))], [file("a", bytes(10))]],
      { stored: 30, visible: 10, "duplicate-identical": 20 },
    ],
    [
      "what was removed was removed, even if it comes again later",
      [[file("a", bytes(10))], [gone("a")], [file("a", bytes(10))]],
      { stored: 20, visible: 10, deleted: 10 },
    ],
    [
      "a move stores the content at its new place and removes the old name",
      [[file("a", bytes(100))], [gone("a"), file("b", bytes(100))]],
      { stored: 200, visible: 100, moved: 100 },
    ],
    [
      "a copy, and its original removed later, are a move too; moved twice, both are gone",
      [[file("a", bytes(100))], [file("b", bytes(100))], [gone("a")], [gone("b"), file("c", bytes(100))]],
      { stored: 300, visible: 100, moved: 200 },
    ],
    [
      "a link in the place of what was moved",
      [[file("a", bytes(100))], [{ path: "a", type: "symlink", link: "b" }, file("b", bytes(100))]],
      { stored: 200, visible: 100, moved: 100 },
    ],
    [
      "the same content at other places is no waste",
      [[file("a", bytes(100)), file("b", bytes(100))], [file("c", bytes(100))]],
      { stored: 300, visible: 300 },
    ],
    [
      "names of one inode are one copy, which one of them keeps alive",
      [
        [file("a", bytes(100)), hard("b", "a"), hard("c", "a")],
        [gone("a"), gone("b")],
      ],
      { stored: 100, visible: 100 },
    ],
    [
      "a copy all of whose names went away one after the other is waste once",
      [[file("a", bytes(100)), hard("b", "a")], [gone("a")], [gone("b")]],
      { stored: 100, visible: 0, deleted: 100 },
    ],
    [
      "a hard link into a lower layer borrows its content, also of a name that is gone",
      [[file("a", bytes(100))], [hard("b", "a"), gone("a")]],
      { stored: 100, visible: 100 },
    ],
    ["a hard link that leads nowhere", [[file("a", bytes(3)), hard("b", "nothing")]], { stored: 3, visible: 3 }],
    [
      "a symlink that leads elsewhere costs nothing",
      [[{ path: "l", type: "symlink", link: "a" }], [{ path: "l", type: "symlink", link: "b" }]],
      { stored: 0, visible: 0 },
    ],
    [
      "a symlink over a file",
      [[file("a", bytes(9))], [{ path: "a", type: "symlink", link: "b" }]],
      { stored: 9, visible: 0, overwritten: 9 },
    ],
    [
      "a directory over a file",
      [[file("a", bytes(9))], [file("a/b", bytes(3, "b"))]],
      { stored: 12, visible: 3, overwritten: 9 },
    ],
    [
      "a file over a directory",
      [[file("a/b", bytes(9))], [file("a", bytes(3, "b"))]],
      { stored: 12, visible: 3, deleted: 9 },
    ],
    [
      "whiteouts of nothing, and of what was removed already",
      [[gone("x"), file("a", bytes(4))], [gone("a")], [gone("a"), gone("b/c")]],
      { stored: 4, visible: 0, deleted: 4 },
    ],
    [
      "members below a symlink are where it leads",
      [
        [file("usr/lib/a", bytes(8)), { path: "lib", type: "symlink", link: "usr/lib" }],
        [file("lib/a", bytes(5, "n"))],
      ],
      { stored: 13, visible: 5, overwritten: 8 },
    ],
  ])("%s", async (_, layers, expected) => {
    const waste = await wasteOf(layers);
    expect(told(waste)).toEqual(expected);
    expect(waste.reclaimable).toBe(waste.stored - waste.visible);
    expect(waste.efficiency).toBe(waste.stored === 0 ? 1 : waste.visible / waste.stored);
  });

  test("of a sparse file only the data are stored", async () => {
    const tree = treeOf([{ path: "s", content: "1234567890" }], [{ path: ".wh.s" }]);
    const [index, above] = stackOf(tree);
    const extras = { ...index!.columns.extras, sparse: { 1: [[0, 3] as const, [7, 2] as const] } };
    const { copyBytes } = await import("../../src/analysis/copyFacts.js");
    const { LayerIndex } = await import("../../src/layer/layerIndex.js");
    const sparse = new LayerIndex({ ...index!.columns, extras });
    expect(copyBytes(sparse, 1)).toBe(5);
    expect(findCopies([sparse, above!]).layers[0]!.fates[1]).toBe(1);
  });
});

describe("a measurement", () => {
  test("tells pairs of layers, what they do to each other, and the remedy", async () => {
    const app = Array.from({ length: 3 }, (_, at) => file(`srv/f${at}`, bytes(1000, String(at))));
    const waste = await wasteOf(
      [
        app,
        app.map((each) => ({ ...each, uid: 5 })),
        [file("var/cache/apt/big", bytes(500, "c")), file("tmp/out", bytes(40, "o"))],
        [gone("var/cache/apt/big")],
        [gone("tmp/out")],
        [file("srv/f0", bytes(900, "n"))],
      ],
      [
        "COPY . /srv # buildkit",
        "RUN /bin/sh -c chown -R app:app /srv # buildkit",
        "RUN /bin/sh -c apt-get install -y big # buildkit",
        "RUN /bin/sh -c rm -rf /var/cache/apt # buildkit",
        "RUN /bin/sh -c rm /tmp/out # buildkit",
        "COPY new /srv/f0 # buildkit",
      ],
    );
    expect(waste.pairs.map(({ text, advice }) => [text, advice.fix])).toEqual([
      ["layer 1 RUN chown -R app:app /srv re-stores 3kB of layer 0 unchanged", "copy-chown"],
      ["layer 5 COPY new /srv/f0 overwrites 1kB of layer 1", "change-order"],
      ["layer 3 RUN rm -rf /var/cache/apt deletes 500B that layer 2 still stores", "cache-mount"],
      ["layer 4 RUN rm /tmp/out deletes 40B that layer 2 still stores", "remove-in-same-run"],
    ]);
    expect(waste.pairs[0]).toMatchObject({
      ...{ cause: "duplicate-identical", storedBy: 0, hiddenBy: 1, bytes: 3000, copies: 3 },
      advice: { text: "write --chown=app:app on layer 0 COPY . /srv, and leave chown out" },
    });
    expect(waste.layers.map(({ stored, visible, wasted, hides }) => [stored, visible, wasted, hides])).toEqual([
      ...[
        [3000, 0, 3000, 0],
        [3000, 2000, 1000, 3000],
        [540, 0, 540, 0],
      ],
      ...[
        [0, 0, 0, 500],
        [0, 0, 0, 40],
        [900, 900, 0, 1000],
      ],
    ]);
  });

  test.each([
    ["COPY a /a", "RUN chmod 755 /a", "copy-chmod", "write --chmod=755 on"],
    ["RUN make", "RUN chown app /a", "same-run", "run chown in the same RUN"],
    ["COPY a /a", "COPY . /", "copy-once", "copy only what is new"],
    ["RUN make", "RUN touch /a", "same-run", "join the two"],
  ])("of %s, stored again by %s, advises %s", async (lower, upper, fix, text) => {
    const { pairs } = await wasteOf([[file("a", bytes(10))], [file("a", bytes(10), { mode: 0o755 })]], [lower, upper]);
    expect(pairs[0]!.advice).toMatchObject({ fix, text: expect.stringContaining(text) });
  });

  test.each([
    ["RUN a", "RUN b", "overwritten", "same-run"],
    ["COPY a /a", "COPY b /a", "overwritten", "copy-once"],
    ["COPY a /a", "RUN sed -i x /a", "overwritten", "bind-mount"],
    ["COPY a /a", "RUN rm /a", "deleted", "bind-mount"],
    ["RUN a", "RUN rm /a", "deleted", "remove-in-same-run"],
    ["COPY a /a", "RUN mv /a /b", "moved", "copy-to-place"],
    ["RUN a", "RUN mv /a /b", "moved", "same-run"],
    ["", "", "deleted", "remove-in-same-run"],
  ])("of %s, then %s (%s) advises %s", async (lower, upper, cause, fix) => {
    const second = {
      overwritten: [file("a", bytes(9, "n"))],
      deleted: [gone("a")],
      moved: [gone("a"), file("b", bytes(10))],
    }[cause]!;
    const { pairs } = await wasteOf([[file("a", bytes(10))], second], [lower, upper]);
    expect([pairs[0]!.cause, pairs[0]!.advice.fix]).toEqual([cause, fix]);
  });

  test("every wasted byte is in one layer, one pair, one path and one folder", async () => {
    const waste = await wasteOf(
      [
        [file("top", bytes(1)), file("a/b/c/d", bytes(20, "d")), file("a/x", bytes(300, "x"))],
        [gone("top"), file("a/b/c/d", bytes(21, "e")), gone("a/x")],
        [file("a/b/c/d", bytes(22, "f")), gone("a/b/c/d2")],
      ],
      [],
      { depth: 2 },
    );
    expect(waste.reclaimable).toBe(1 + 20 + 21 + 300);
    expect(waste.folders).toEqual([
      { path: "/a", bytes: 300, copies: 1 },
      { path: "/a/b", bytes: 41, copies: 2 },
      { path: "/", bytes: 1, copies: 1 },
    ]);
    expect(waste.paths).toEqual([
      { path: "/a/x", bytes: 300, copies: 1, causes: ["deleted"], storedBy: [0], hiddenBy: [1] },
      { path: "/a/b/c/d", bytes: 41, copies: 2, causes: ["overwritten"], storedBy: [0, 1], hiddenBy: [1, 2] },
      { path: "/top", bytes: 1, copies: 1, causes: ["deleted"], storedBy: [0], hiddenBy: [1] },
    ]);
  });

  test("lists are cut to their length, and say how much they leave out; paths can be ignored", async () => {
    const layers = [
      Array.from({ length: 5 }, (_, at) => file(`f${at}`, bytes(at + 1, String(at)))),
      [0, 1, 2, 3, 4].map((at) => gone(`f${at}`)),
    ];
    const waste = await wasteOf(layers, [], { top: 2 });
    expect([waste.paths.map(({ path }) => path), waste.more.paths]).toEqual([["/f4", "/f3"], 3]);
    const ignoring = await wasteOf(layers, [], { ignore: ["f[34]"] });
    expect([ignoring.stored, ignoring.reclaimable]).toEqual([6, 6]);
  });

  test("contents at several places are told beside the waste", async () => {
    const { duplicates, reclaimable } = await wasteOf([
      [file("a", bytes(100)), file("b", bytes(100)), hard("c", "a"), file("e", "")],
      [file("d/a", bytes(100)), file("f", ""), file("g", bytes(100, "g"))],
    ]);
    expect(reclaimable).toBe(0);
    expect(duplicates).toEqual({
      ...{ contents: 1, redundant: 200 },
      top: [{ bytes: 100, copies: 3, redundant: 200, paths: ["/a", "/b", "/d/a"] }],
    });
  });

  test("tells the base's waste, what is hidden of the base, and the image's own apart", async () => {
    const store = await newStore();
    const base: Member[][] = [
      [file("a", bytes(100, "a")), file("b", bytes(50, "b")), file("c", bytes(30, "c"))],
      [file("a", bytes(90, "A"))],
    ];
    const own: Member[][] = [
      [gone("b"), file("c", bytes(30, "c"), { mode: 0o600 }), file("d", bytes(8, "d"))],
      [file("d", bytes(7, "D")), file("e", bytes(200, "e"))],
    ];
    const names = ["docker.io/library/base:1", "docker.io/library/app:1"];
    for (const [at, layers] of [base, [...base, ...own]].entries()) {
      await store.setReferences([{ name: names[at]!, descriptor: await putImage(store, layers) }]);
    }
    const waste = await withImage("app:1", { env: {}, store }, {}, (image) => measureWaste(image, { store }));
    expect(waste.origin).toEqual({
      base: expect.objectContaining({ name: "base:1", layers: 2, by: "layers" }),
      ...{ baseStored: 270, inBase: 100, hiddenBase: 50, ownStored: 245, own: 38, ownEfficiency: 1 - 38 / 245 },
    });
    expect(waste.reclaimable).toBe(100 + 50 + 38);
    expect(waste.layers.map(({ isBase }) => isBase)).toEqual([true, true, false, false]);
    expect(waste.pairs.find(({ cause }) => cause === "deleted")!.advice.fix).toBe("other-base");
  });

  test("estimates compressed waste by how well each layer was compressed", async () => {
    const layers = [[file("a", bytes(100_000))], [gone("a")]];
    const waste = await wasteOf(layers);
    expect(waste.compressedReclaimable).toBeGreaterThan(100);
    expect(waste.compressedReclaimable).toBeLessThan(5000);
  });
});

describe("any stack of layers", () => {
  const name = fc.constantFrom("a", "b", "c");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const content = fc.constantFrom("1", "22", "333");
  const member: fc.Arbitrary<SmallMember> = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(path, content).map(([at, text]): SmallMember => ({ path: at, content: text })) },
    path.map((at): SmallMember => ({ path: `${at}/` })),
    fc.tuple(path, path).map(([at, link]): SmallMember => ({ path: at, type: "hardlink", link })),
    fc
      .tuple(fc.array(name, { maxLength: 2 }), fc.constantFrom(".wh.a", ".wh.b", ".wh..wh..opq"))
      .map(([parts, last]): SmallMember => ({ path: [...parts, last].join("/") })),
  );
  const isFile = ({ path: at }: SmallMember): boolean => !at.endsWith("/");
  const plainOf = (at: string): string => at.replace(/\/$/, "").replace(/\.wh\.(?!\.wh\.)/, "");

  /** True if a file system can hold a member beside the others: no file above it, no name twice, links to files of the layer. */
  function fits(each: SmallMember, others: readonly SmallMember[]): boolean {
    if (
      each.type === "hardlink" &&
      !others.some(({ path: at, content: text }) => at === each.link && text !== undefined)
    ) {
      return false;
    }
    return others.every((other) => {
      const [own, its] = [plainOf(each.path), plainOf(other.path)];
      if (own === its) return false;
      return !(isFile(other) && own.startsWith(`${its}/`)) && !(isFile(each) && its.startsWith(`${own}/`));
    });
  }
  const layer = fc.array(member, { maxLength: 9 }).map((members) => {
    const kept: SmallMember[] = [];
    for (const each of members) if (fits(each, kept)) kept.push(each);
    return kept;
  });

  /** A stored content: where it came from, and which layer ended its last name. */
  interface Played {
    readonly layer: number;
    readonly size: number;
    names: number;
    end: number;
  }

  /** Plays the layers one after the other, as an extraction would. */
  function play(layers: readonly (readonly SmallMember[])[]): Played[] {
    const all: Played[] = [];
    const files = new Map<string, Played | undefined>();
    const remove = (top: string, by: number, isBelowOnly = false): void => {
      for (const [at, copy] of [...files]) {
        if (!(at.startsWith(`${top}/`) || top === "" || (at === top && !isBelowOnly))) continue;
        files.delete(at);
        if (copy && --copy.names === 0) copy.end = by;
      }
    };
    for (const [number, members] of layers.entries()) {
      for (const { path: at } of members) {
        const slash = at.lastIndexOf("/") + 1;
        if (at.slice(slash) === ".wh..wh..opq") remove(at.slice(0, Math.max(0, slash - 1)), number, true);
        else if (at.slice(slash).startsWith(".wh.")) remove(at.slice(0, slash) + at.slice(slash + 4), number);
      }
      const own = new Map<string, Played>();
      for (const { path: at, content: text, type, link } of members) {
        const parts = at.replace(/\/$/, "").split("/");
        for (let depth = 1; depth < parts.length; depth++) {
          const above = parts.slice(0, depth).join("/");
          if (files.has(above)) remove(above, number);
        }
        if (at.includes(".wh.")) continue;
        if (at.endsWith("/")) {
          if (files.has(at.slice(0, -1))) remove(at.slice(0, -1), number);
          continue;
        }
        const copy =
          type === "hardlink" ? own.get(link!)! : { layer: number, size: text!.length, names: 0, end: VISIBLE };
        if (type !== "hardlink") all.push(copy);
        own.set(at, copy);
        remove(at, number);
        copy.names++;
        copy.end = VISIBLE;
        files.set(at, copy);
      }
    }
    return all;
  }

  test("is measured as playing its layers shows", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const stack = stackOf(treeOf(...layers));
        const { layers: copies } = findCopies(stack);
        const found = copies.flatMap(({ fates }, number) =>
          [...fates].flatMap((fate, entry) =>
            fate < VISIBLE ? [] : [`${number}: ${stack[number]!.size(entry)} until ${fate}`],
          ),
        );
        const wanted = play(layers).map(({ layer: number, size, end }) => `${number}: ${size} until ${end}`);
        expect(found.sort()).toEqual(wanted.sort());
      }),
      { numRuns: 1000 },
    );
  });

  test("has a cause for all that is hidden, and the same content above it where the cause says so", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const stack = stackOf(treeOf(...layers));
        const { layers: copies } = findCopies(stack);
        const stores = (number: number, digest: string | undefined): boolean =>
          [...copies[number]!.fates].some(
            (fate, entry) => fate >= VISIBLE && stack[number]!.digestHex(entry) === digest,
          );
        for (const [number, { fates, causes }] of copies.entries()) {
          for (const [entry, fate] of fates.entries()) {
            if (fate < 0) continue;
            const cause = WASTE_CAUSES[causes[entry]!];
            expect(cause).toBeDefined();
            const digest = stack[number]!.digestHex(entry);
            const above = Array.from({ length: fate - number }, (_, at) => number + 1 + at);
            if (cause === "moved") expect(above.some((each) => stores(each, digest))).toBe(true);
            if (cause === "deleted") expect(above.some((each) => stores(each, digest))).toBe(false);
            if (cause === "duplicate-identical") expect(stores(fate, digest)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

test("layers' own waste, for histories", async () => {
  const spec = `oci:${writeLayout(makeImage({ layers: [[file("a", "12345")], [gone("a")], [file("b", "1")]] }))}`;
  expect(await withImage(spec, { env: {} }, {}, wastedByLayer)).toEqual([5, 0, 0]);
});
