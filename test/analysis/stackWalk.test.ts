import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stackOf } from "../../src/analysis/mergedTree.js";
import { type StackCursor, walkStack } from "../../src/analysis/stackWalk.js";
import { lookup, pathOf, walkTree } from "../../src/layer/fileTree.js";
import type { LayerTree, MergedNode } from "../../src/layer/layerTree.js";
import { type Member, treeOf } from "../layer/helpers.js";

/** Paths, each with its versions as `LAYER:TYPE` (`*` the one that is seen, `<N` hidden by layer N). */
function told(tree: LayerTree, hidden = true): string[] {
  const lines: string[] = [];
  const enter = (cursor: StackCursor): void => {
    const versions = Array.from({ length: cursor.count }, (_, version) => {
      const hider = cursor.hiddenBy(version);
      const mark = cursor.visible === version ? "*" : hider < 0 ? "" : `<${hider}`;
      return `${cursor.layer(version)}:${cursor.index(version).type(cursor.entry(version))}${mark}`;
    });
    if (cursor.depth > 0) lines.push(`${cursor.path()} ${versions.join(" ")}`);
  };
  walkStack(stackOf(tree), { enter }, { hidden });
  return lines;
}

describe("a walk over a stack", () => {
  test("tells of every version which layer hides it", () => {
    const tree = treeOf(
      [{ path: "a/" }, { path: "a/same" }, { path: "a/gone" }, { path: "b/x" }, { path: "c/y" }, { path: "d" }],
      [{ path: "a/.wh.gone" }, { path: "a/same" }, { path: ".wh.b" }, { path: "c/.wh..wh..opq" }, { path: "d/in" }],
      [{ path: "b/z" }, { path: ".wh.nothing" }],
    );
    expect(told(tree)).toEqual([
      "a 0:dir* 1:dir",
      "a/gone 0:file<1 1:whiteout",
      "a/same 0:file<1 1:file*",
      "b 0:dir<1 1:whiteout<2 2:dir*",
      "b/x 0:file<1",
      "b/z 2:file*",
      "c 0:dir<1 1:dir*",
      "c/y 0:file<1",
      "d 0:file<1 1:dir*",
      "d/in 1:file*",
      "nothing 2:whiteout",
    ]);
  });

  test("leaves out what is gone unless that is asked for, and what is below where the visitor says so", () => {
    const tree = treeOf([{ path: "a/x" }, { path: "b/y" }], [{ path: ".wh.a" }]);
    expect(told(tree, false)).toEqual(["b 0:dir*", "b/y 0:file*"]);
    const paths: string[] = [];
    walkStack(stackOf(tree), { enter: (cursor) => paths.push(cursor.path()) > 0 && cursor.depth < 1 });
    expect(paths).toEqual(["", "b"]);
  });

  test("leaves directories after what is in them, with the path that was entered", () => {
    const tree = treeOf([{ path: "a/b/c" }, { path: "z" }], [{ path: "a/d" }]);
    const events: string[] = [];
    walkStack(stackOf(tree), {
      enter: (cursor) => events.push(`+${cursor.path()}`),
      leave: (cursor) => events.push(`-${cursor.path()} ${cursor.count}`),
    });
    expect(events).toEqual(["+", "+a", "+a/b", "+a/b/c", "-a/b 1", "+a/d", "-a 2", "+z", "- 2"]);
  });

  const name = fc.constantFrom("a", "b", "c");
  const member: fc.Arbitrary<Member> = fc.oneof(
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts): Member => ({ path: parts.join("/"), content: "x" })),
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts): Member => ({ path: `${parts.join("/")}/` })),
    fc
      .array(name, { maxLength: 2 })
      .chain((parts) =>
        fc.constantFrom(".wh.a", ".wh.b", ".wh..wh..opq").map((last): Member => ({ path: [...parts, last].join("/") })),
      ),
  );
  /** Members that no file system can hold together (a file below a file) are left out. */
  const layer = fc.array(member, { maxLength: 8 }).map((members) =>
    members.filter(({ path }, at) => {
      const others = members.slice(0, at).filter((other) => !other.path.endsWith("/"));
      return (
        !others.some((other) => path.startsWith(`${other.path}/`)) &&
        !members.slice(0, at).some((other) => other.path.startsWith(`${path}/`))
      );
    }),
  );

  test("sees what the merged tree sees, for any stack", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const tree = treeOf(...layers);
        const wanted: string[] = [];
        walkTree(tree, tree.root, (node) => {
          const { layer: number, entry, type } = node as MergedNode;
          wanted.push(`${pathOf(node)} ${type} ${number}:${entry}`);
          return true;
        });
        const seen: string[] = [];
        walkStack(stackOf(tree), {
          enter: (cursor) => {
            const version = cursor.visible;
            const index = cursor.index(version);
            const entry = cursor.entry(version);
            const place = index.isImplied(entry) ? "-1:-1" : `${cursor.layer(version)}:${entry}`;
            seen.push(`${cursor.path()} ${index.type(entry)} ${place}`);
          },
        });
        expect(seen).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  test("the layer that hides a file is the first one on top of which it is not seen any more", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const stack = stackOf(treeOf(...layers));
        const trees = layers.map((_, at) => treeOf(...layers.slice(0, at + 1)));
        const visited = new Set<string>();
        walkStack(
          stack,
          {
            enter: (cursor) => {
              for (let version = 0; version < cursor.count; version++) {
                const [number, entry] = [cursor.layer(version), cursor.entry(version)];
                visited.add(`${number}:${entry}`);
                if (cursor.index(version).type(entry) !== "file") continue;
                const isSeen = (tree: LayerTree): boolean => {
                  const node = lookup(tree, cursor.path()) as MergedNode | undefined;
                  return node?.layer === number && node.type === "file";
                };
                const hider = trees.findIndex((tree, at) => at > number && !isSeen(tree));
                expect([cursor.path(), number, cursor.hiddenBy(version)]).toEqual([cursor.path(), number, hider]);
              }
            },
          },
          { hidden: true },
        );
        expect(visited.size).toBe(stack.reduce((sum, { count }) => sum + count, 0));
      }),
      { numRuns: 300 },
    );
  });
});
