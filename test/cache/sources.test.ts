import { expect, test } from "vitest";
import { pathSources } from "../../src/cache/sources.js";
import type { CopyStep } from "../../src/plan/graph.js";

const from = { kind: "step", key: "1".repeat(64) } as const;

/** The words by which a step that copies from another stage is keyed. */
function words(sources: string[], parents: boolean): unknown {
  const step = { sources, parents, exclude: [] as readonly string[] } as unknown as CopyStep;
  return (pathSources(step, from) as { readonly words: unknown }).words;
}

test("paths of another stage are keyed as they are read", () => {
  expect(words(["a/./b", "../c/", "d/../e*"], false)).toEqual(["a/b", "c", "e*"]);
});

test("with --parents the place of the pivot is part of the key", () => {
  expect(words(["a/./b"], true)).not.toEqual(words(["a/b"], true));
  expect(words(["a/./b/c"], true)).not.toEqual(words(["a/b/./c"], true));
  expect(words(["./a//b/"], true)).toEqual(words(["a/b"], true));
});
