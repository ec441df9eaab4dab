import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Needs } from "../../src/store/needs.js";
import { type PruneInput, planPrune } from "../../src/store/prunePlan.js";
import type { Entry, EntryId, Kind } from "../../src/store/tombstones.js";

const NONE: Needs = { strong: new Set(), weak: new Set() };

function entry(kind: Kind, name: string, bytes: number, used: number): Entry {
  return { id: `${kind}.${name}`, kind, name, bytes, used };
}

function input(entries: readonly Entry[], rest: Partial<PruneInput> = {}): PruneInput {
  return {
    entries: new Map(entries.map((one) => [one.id, one])),
    images: NONE,
    leases: NONE,
    records: [],
    unusable: [],
    maxBytes: Number.POSITIVE_INFINITY,
    mustFree: 0,
    usedBefore: Number.NEGATIVE_INFINITY,
    unreferencedBefore: Number.POSITIVE_INFINITY,
    ...rest,
  };
}

const needs = (strong: EntryId[], weak: EntryId[] = []): Needs => ({ strong: new Set(strong), weak: new Set(weak) });

describe("the plan", () => {
  test("removes what nobody needs, unless it is young", () => {
    const plan = planPrune(
      input(
        [
          entry("blob", "old", 10, 1),
          entry("blob", "young", 20, 9),
          entry("blob", "image", 40, 1),
          entry("blob", "leased", 80, 1),
        ],
        {
          images: needs(["blob.image"]),
          leases: needs(["blob.leased"]),
          unreferencedBefore: 5,
        },
      ),
    );
    expect(plan.removals).toEqual([
      { id: "blob.old", kind: "blob", name: "old", bytes: 10, used: 1, reason: "unreferenced" },
    ]);
    expect([plan.cacheBefore, plan.cacheAfter]).toEqual([110, 100]);
  });

  test("takes what can be made again before any record, the longest unused first, and stops when it fits", () => {
    const record = entry("record", "r", 1, 0);
    const plan = planPrune(
      input(
        [
          record,
          entry("block", "b1", 10, 5),
          entry("block", "b2", 10, 3),
          entry("blob", "plain", 10, 4),
          entry("blob", "zipped", 10, 0),
        ],
        { records: [{ entry: record, needs: needs(["blob.zipped"], ["blob.plain"]), leased: false }], maxBytes: 25 },
      ),
    );
    expect(plan.removals.map((one) => [one.id, one.reason])).toEqual([
      ["block.b2", "regenerable"],
      ["blob.plain", "regenerable"],
    ]);
  });

  test("removes records least recently used first, with what only they need", () => {
    const [a, b, c] = [entry("record", "a", 1, 3), entry("record", "b", 1, 1), entry("record", "c", 1, 2)];
    const plan = planPrune(
      input([a, b, c, entry("blob", "ab", 10, 0), entry("blob", "bc", 10, 0), entry("index", "b", 10, 0)], {
        records: [
          { entry: a, needs: needs(["blob.ab"]), leased: false },
          { entry: b, needs: needs(["blob.ab", "blob.bc", "index.b"]), leased: false },
          { entry: c, needs: needs(["blob.bc"]), leased: false },
        ],
        maxBytes: 20,
      }),
    );
    expect(plan.removals.map((one) => one.id)).toEqual(["record.b", "index.b", "record.c", "blob.bc"]);
    expect(plan.cacheAfter).toBe(11);
  });

  test("removes what was kept too long, however small the cache is, but never what is leased", () => {
    const [leased, recent, old] = [entry("record", "l", 5, 0), entry("record", "r", 5, 8), entry("record", "o", 5, 1)];
    const block = entry("block", "b", 5, 2);
    const records = [leased, recent, old].map((one) => ({ entry: one, needs: NONE, leased: one === leased }));
    const all = [leased, recent, old, block];
    const reasons = (rest: Partial<PruneInput>) =>
      planPrune(input(all, { records, ...rest })).removals.map((one) => [one.id, one.reason]);
    const tooOld = [
      ["block.b", "unused for too long"],
      ["record.o", "unused for too long"],
    ];
    expect(reasons({ usedBefore: 5 })).toEqual(tooOld);
    expect(reasons({ usedBefore: 5, maxBytes: 0 })).toEqual([...tooOld, ["record.r", "least recently used"]]);
  });

  test("frees as much as the disk lacks, if the cache has it", () => {
    const [a, b, c] = [entry("record", "a", 10, 1), entry("record", "b", 10, 2), entry("record", "c", 10, 3)];
    const records = [a, b, c].map((one) => ({ entry: one, needs: NONE, leased: false }));
    const gone = (mustFree: number) =>
      planPrune(input([a, b, c], { records, mustFree })).removals.map((one) => one.name);
    expect([0, 1, 10, 11, 1000].map(gone)).toEqual([[], ["a"], ["a"], ["a", "b"], ["a", "b", "c"]]);
  });

  test("of some kinds only leaves all others alone, but for what only these need", () => {
    const [record, mount] = [entry("record", "r", 1, 0), entry("mount", "m", 1, 0)];
    const entries = [
      record,
      mount,
      entry("blob", "of r", 1, 0),
      entry("blob", "nobody's", 1, 0),
      entry("stat", "s", 1, 0),
    ];
    const records = [{ entry: record, needs: needs(["blob.of r"]), leased: false }];
    const gone = (...only: Kind[]) =>
      planPrune(input(entries, { records, maxBytes: -1, only: new Set(only) })).removals.map((one) => one.id);
    expect(gone("mount")).toEqual(["mount.m"]);
    expect(gone("record")).toEqual(["record.r", "blob.of r"]);
    expect(gone("stat", "mount")).toEqual(["stat.s", "mount.m"]);
  });

  test("does not count images as cache, however big they are", () => {
    const record = entry("record", "r", 5, 0);
    const plan = planPrune(
      input([record, entry("blob", "image", 1000, 0)], {
        images: needs(["blob.image"]),
        records: [{ entry: record, needs: needs(["blob.image"]), leased: false }],
        maxBytes: 10,
      }),
    );
    expect(plan).toEqual({ removals: [], cacheBefore: 5, cacheAfter: 5 });
  });

  test("never removes what an image, a lease or a remaining record needs, and reaches the size if it can", () => {
    const names = fc.constantFrom("a", "b", "c", "d", "e", "f");
    const need = fc
      .uniqueArray(names, { maxLength: 3 })
      .map((list) => needs(list.map((name): EntryId => `blob.${name}`)));
    const arbitrary = fc.record({
      blobs: fc.uniqueArray(fc.tuple(names, fc.nat(100)), { selector: ([name]) => name }),
      records: fc.array(fc.tuple(need, fc.nat(20), fc.boolean()), { maxLength: 5 }),
      images: need,
      leases: need,
      maxBytes: fc.nat(400),
    });
    fc.assert(
      fc.property(arbitrary, ({ blobs, records, images, leases, maxBytes }) => {
        const recordEntries = records.map(([, used], i) => entry("record", `${i}`, 10, used));
        const withNeeds = records.map(([own, , leased], i) => ({ entry: recordEntries[i]!, needs: own, leased }));
        const all = [...blobs.map(([name, bytes]) => entry("blob", name, bytes, 0)), ...recordEntries];
        const plan = planPrune(input(all, { records: withNeeds, images, leases, maxBytes }));
        const gone = new Set(plan.removals.map((one) => one.id));
        const kept = withNeeds.filter((record) => !gone.has(record.entry.id));
        for (const one of [images, leases, ...kept.map((record) => record.needs)]) {
          for (const id of one.strong) expect(gone.has(id)).toBe(false);
        }
        for (const record of withNeeds) if (record.leased) expect(gone.has(record.entry.id)).toBe(false);
        expect(gone.size).toBe(plan.removals.length);
        expect(plan.cacheBefore - plan.cacheAfter).toBe(
          plan.removals.reduce((sum, one) => sum + (images.strong.has(one.id) ? 0 : one.bytes), 0),
        );
        if (plan.cacheAfter > maxBytes) expect(kept.every((record) => record.leased)).toBe(true);
      }),
    );
  });
});
