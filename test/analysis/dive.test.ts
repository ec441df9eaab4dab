/**
 * The numbers of dive: by hand, in the cases in which they are odd too, and against a plain model of what dive does with
 * trees of nodes.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measureAsDive, measureWaste, withImage } from "../../src/analysis/analysis.js";
import { type DiveNumbers, diveNumbers } from "../../src/analysis/diveNumbers.js";
import { entryOf, indexOf, type Member, tarOf } from "../layer/helpers.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";

const numbersOf = (layers: readonly (readonly Member[])[]): DiveNumbers =>
  diveNumbers(layers.map((members) => indexOf(tarOf(members)).index));
const x = (count: number): string => "x".repeat(count);

/** What nacre itself says: bytes in vain, and efficiency. */
async function ours(layers: readonly (readonly Member[])[]): Promise<readonly [number, number]> {
  const spec = `oci:${writeLayout(makeImage({ layers: layers.map((members) => members.map(whole)) }))}`;
  const { reclaimable, efficiency } = await withImage(spec, { env: {} }, {}, (image) => measureWaste(image));
  return [reclaimable, efficiency];
}

/** The other helper of images has no trailing slashes for directories. */
function whole(member: Member): Member {
  return { ...entryOf(member), content: member.content ?? "" };
}

describe("where dive is wrong, it is told as dive does and measured right:", () => {
  test.each<
    [what: string, layers: readonly (readonly Member[])[], dive: Partial<DiveNumbers>, right: readonly [number, number]]
  >([
    [
      "a file in two layers counts twice, the needed one too",
      [[{ path: "a", content: x(100) }], [{ path: "a", content: x(100) }]],
      { wastedBytes: 200, efficiency: 0.5, userWastedPercent: 2, sizeBytes: 200, userSizeBytes: 100 },
      [100, 0.5],
    ],
    [
      "removing a file counts the file once, though it is needed no more",
      [
        [
          { path: "a", content: x(100) },
          { path: "b", content: x(100) },
        ],
        [{ path: ".wh.a" }],
      ],
      { wastedBytes: 100, efficiency: 0.5, userSizeBytes: 0, userWastedPercent: Number.POSITIVE_INFINITY },
      [100, 0.5],
    ],
    [
      "removing a directory does not lower the score",
      [[{ path: "d/" }, { path: "d/a", content: x(60) }, { path: "d/b", content: x(40) }], [{ path: ".wh.d" }]],
      { wastedBytes: 0, efficiency: 1 },
      [100, 0],
    ],
    [
      "opaque directories hide nothing",
      [
        [{ path: "d/" }, { path: "d/a", content: x(100) }],
        [{ path: "d/" }, { path: "d/.wh..wh..opq" }, { path: "d/b", content: "12345" }],
      ],
      { wastedBytes: 0, efficiency: 1 },
      [100, 5 / 105],
    ],
    [
      "hard links have no size",
      [
        [
          { path: "a", content: x(100) },
          { path: "b", type: "hardlink", link: "a" },
        ],
        [{ path: ".wh.a" }],
        [{ path: ".wh.b" }],
      ],
      { wastedBytes: 100, efficiency: 0, sizeBytes: 100 },
      [100, 0],
    ],
    [
      "a file that lives on under another name is waste all the same",
      [
        [
          { path: "a", content: x(100) },
          { path: "b", type: "hardlink", link: "a" },
        ],
        [{ path: ".wh.a" }],
      ],
      { wastedBytes: 100, efficiency: 0 },
      [0, 1],
    ],
    [
      "a symlink that is made to lead elsewhere is a file without bytes",
      [[{ path: "l", type: "symlink", link: "a" }], [{ path: "l", type: "symlink", link: "b" }]],
      { wastedBytes: 0, efficiency: 1, inefficient: 1 },
      [0, 1],
    ],
    [
      "an image without bytes has no percentage",
      [[{ path: "d/" }]],
      { wastedBytes: 0, efficiency: 1, userWastedPercent: Number.NaN },
      [0, 1],
    ],
    ["so has one without layers", [], { wastedBytes: 0, efficiency: 1, userWastedPercent: Number.NaN }, [0, 1]],
    [
      "after a whiteout of nothing its layer is not looked at any more",
      [[{ path: "z", content: x(100) }], [{ path: ".wh.n" }, { path: "z", content: x(100) }]],
      { wastedBytes: 0, efficiency: 0.99 },
      [100, 0.5],
    ],
  ])("%s", async (_, layers, dive, right) => {
    expect(numbersOf(layers)).toMatchObject(dive);
    expect(await ours(layers)).toEqual(right);
  });

  test("of files those with most bytes are first, with the number of layers that have them", () => {
    const layers = [
      [
        { path: "a", content: x(10) },
        { path: "b/c", content: x(30) },
      ],
      [{ path: "a", content: x(15) }, { path: "b/.wh.c" }],
      [{ path: "a", content: x(1) }],
    ];
    expect([...numbersOf(layers).files()]).toEqual([
      { count: 2, sizeBytes: 30, file: "/b/c" },
      { count: 3, sizeBytes: 26, file: "/a" },
    ]);
  });
});

test("the export has dive's fields: layers with their own trees, children first, and the image", async () => {
  const layers: Member[][] = [
    [
      { path: "bin/", mode: 0o1777 },
      { path: "bin/tool", content: "tool", mode: 0o4755, uid: 3, gid: 4 },
      { path: "bin/same", type: "hardlink", link: "bin/tool" },
      { path: "link", type: "symlink", link: "bin/tool", mode: 0o777 },
      { path: "deep/file", content: "1" },
    ],
    [{ path: "bin/.wh.tool" }, { path: "deep/file", content: "22" }],
  ];
  const history = [
    { created_by: "/bin/sh -c #(nop) ADD x in /" },
    { empty_layer: true, created_by: "ENV a=b" },
    { created_by: "RUN b" },
  ];
  const image = makeImage({ layers: layers.map((members) => members.map(whole)), config: { history } });
  const parts = await withImage(`oci:${writeLayout(image)}`, { env: {} }, {}, async (opened) => [
    ...(await measureAsDive(opened)).export(),
  ]);
  const file = { linkName: "", uid: 0, gid: 0, isDir: false, typeFlag: 48 };
  const nothing = { ...file, path: "", typeFlag: 0, size: 0, fileMode: 0 };
  expect(JSON.parse(parts.join(""))).toEqual({
    layer: [
      {
        ...{
          index: 0,
          id: image.layers[0]!.digest.slice(7),
          digestId: expect.stringMatching(/^sha256:/),
          sizeBytes: 5,
        },
        command: "#(nop) ADD x in /",
        fileList: [
          {
            ...file,
            path: "bin/same",
            typeFlag: 49,
            linkName: "bin/tool",
            size: 0,
            fileMode: 0o755 + 2 ** 23,
            uid: 3,
            gid: 4,
          },
          { ...file, path: "bin/tool", size: 4, fileMode: 0o755 + 2 ** 23, uid: 3, gid: 4 },
          { ...file, path: "bin", typeFlag: 53, size: 0, fileMode: 0o777 + 2 ** 31 + 2 ** 20, isDir: true },
          { ...file, path: "deep/file", size: 1, fileMode: 0o644 },
          nothing,
          { ...file, path: "link", typeFlag: 50, linkName: "bin/tool", size: 0, fileMode: 0o777 + 2 ** 27 },
        ],
      },
      {
        ...{
          index: 1,
          id: image.layers[1]!.digest.slice(7),
          digestId: expect.stringMatching(/^sha256:/),
          sizeBytes: 2,
        },
        command: "RUN b",
        fileList: [
          { ...file, path: "bin/.wh.tool", size: 0, fileMode: 0 },
          nothing,
          { ...file, path: "deep/file", size: 2, fileMode: 0o644 },
          nothing,
        ],
      },
    ],
    image: {
      ...{ sizeBytes: 7, inefficientBytes: 3 + 4, efficiencyScore: 1 / 7 },
      fileReference: [
        { count: 2, sizeBytes: 4, file: "/bin/tool" },
        { count: 2, sizeBytes: 3, file: "/deep/file" },
      ],
    },
  });
});

describe("any stack of layers", () => {
  /** A node of a tree as dive has it. */
  interface Node {
    readonly children: Map<string, Node>;
    size: number;
    isDir: boolean;
  }
  const node = (): Node => ({ children: new Map(), size: 0, isDir: false });

  function put(root: Node, path: string, info: { readonly size: number; readonly isDir: boolean }): void {
    let here = root;
    for (const part of path.split("/")) {
      if (part.startsWith(".wh..wh..")) return;
      if (!here.children.has(part)) here.children.set(part, node());
      here = here.children.get(part)!;
    }
    Object.assign(here, info);
  }

  /** Nodes below the root, children first, in order of names. */
  function visit(
    at: Node,
    path: string,
    tell: (each: Node, path: string, name: string) => boolean | undefined,
  ): boolean {
    for (const name of [...at.children.keys()].sort()) {
      const [child, below] = [at.children.get(name)!, path === "" ? name : `${path}/${name}`];
      if (!visit(child, below, tell) || tell(child, below, name) === false) return false;
    }
    return true;
  }

  const plain = (path: string): string => path.replace(/\.wh\.([^/]*)$/, "$1");
  const find = (root: Node, path: string): Node | undefined =>
    path.split("/").reduce<Node | undefined>((at, part) => at?.children.get(part), root);

  function model(trees: readonly Node[]): { efficiency: number; wasted: number; files: string[] } {
    const paths = new Map<string, { count: number; all: number; least: number }>();
    for (const [number, tree] of trees.entries()) {
      const below = node();
      for (const lower of trees.slice(0, number)) {
        visit(lower, "", (each, path, name) => {
          const parent = path.includes("/") ? find(below, path.slice(0, path.lastIndexOf("/"))) : below;
          if (name.startsWith(".wh.")) parent?.children.delete(plain(name));
          else put(below, path, { size: each.size, isDir: each.isDir });
          return true;
        });
      }
      visit(tree, "", (each, path, name) => {
        if (each.children.size > 0) return true;
        const seen = paths.get(plain(path)) ?? { count: 0, all: 0, least: -1 };
        paths.set(plain(path), seen);
        let { size } = each;
        if (name.startsWith(".wh.")) {
          const before = find(below, plain(path));
          if (before === undefined) return false;
          size = before.isDir ? before.size : 0;
          if (before.isDir) visit(before, "", (inner) => (size += inner.size) >= 0);
        }
        seen.count++;
        seen.all += size;
        seen.least = seen.least < 0 ? size : Math.min(seen.least, size);
        return true;
      });
    }
    const all = [...paths];
    const discovered = all.reduce((sum, [, each]) => sum + each.all, 0);
    const several = all.filter(([, { count }]) => count > 1);
    return {
      efficiency: discovered === 0 ? 1 : all.reduce((sum, [, { least }]) => sum + least, 0) / discovered,
      wasted: several.reduce((sum, [, each]) => sum + each.all, 0),
      files: several.map(([path, { count, all: size }]) => `/${path} ${count} ${size}`).sort(),
    };
  }

  const name = fc.constantFrom("-", "a", "b");
  const member: fc.Arbitrary<Member> = fc.oneof(
    fc
      .tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.nat(30))
      .map(([parts, size]): Member => ({ path: parts.join("/"), content: x(size) })),
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts): Member => ({ path: `${parts.join("/")}/` })),
    fc
      .tuple(fc.array(name, { maxLength: 2 }), fc.constantFrom(".wh.-", ".wh.a", ".wh.b", ".wh..wh..opq"))
      .map(([parts, last]): Member => ({ path: [...parts, last].join("/") })),
  );
  const clean = (path: string): string => plain(path.replace(/\/$/, ""));
  /** What a layer can hold: no name twice or removed besides, nothing below a file. */
  const layer = fc.array(member, { maxLength: 9 }).map((members) => {
    const kept: Member[] = [];
    for (const each of members) {
      const fits = kept.every((other) => {
        const [own, its] = [clean(each.path), clean(other.path)];
        const isBelow = !other.path.endsWith("/") && own.startsWith(`${its}/`);
        return own !== its && !isBelow && (each.path.endsWith("/") || !its.startsWith(`${own}/`));
      });
      if (fits) kept.push(each);
    }
    return kept;
  });

  test("has the numbers of the model", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const trees = layers.map((members) => {
          const tree = node();
          for (const each of members) {
            const { path, size, type } = entryOf(each);
            put(tree, path, { size, isDir: type === "dir" });
          }
          return tree;
        });
        const wanted = model(trees);
        const found = numbersOf(layers);
        expect([...found.files()].map(({ file, count, sizeBytes }) => `${file} ${count} ${sizeBytes}`).sort()).toEqual(
          wanted.files,
        );
        expect(found.wastedBytes).toBe(wanted.wasted);
        expect(found.efficiency).toBeCloseTo(wanted.efficiency, 12);
      }),
      { numRuns: 1500 },
    );
  });
});
