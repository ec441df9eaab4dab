/** Ranges of /etc/subuid, and the mappings made of them. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  flavourOf,
  fullMapping,
  idCount,
  isIdentity,
  mapArguments,
  parseIdMap,
  subordinateRanges,
} from "../../src/sandbox/idMapping.js";

const identity = parseIdMap("         0          0 4294967295\n");
const identities = { uids: identity, gids: identity };

describe("ranges of a user", () => {
  it("are found by name and by number, and no one else's are", () => {
    const text = "root:1:5\nann:100000:65536\n1000:300000:10\nannette:7:7\n";
    expect(subordinateRanges(text, ["ann", "1000"])).toEqual([
      { start: 100000, count: 65536 },
      { start: 300000, count: 10 },
    ]);
  });

  it("leave out lines that are comments, damaged, empty, or beyond the highest id", () => {
    const text = ["# ann:1:2", "ann:x:2", "ann:1", "ann:5:0", "ann:4294967290:100", "ann::", " ann:9:1 ", ""].join(
      "\n",
    );
    expect(subordinateRanges(text, ["ann"])).toEqual([{ start: 9, count: 1 }]);
  });
});

describe("a full mapping", () => {
  it("has the user's own ids as root, and the ranges one after the other behind them", () => {
    const ranges = {
      uids: [{ start: 100, count: 10 }],
      gids: [
        { start: 200, count: 5 },
        { start: 400, count: 5 },
      ],
    };
    const mapping = fullMapping({ uid: 1000, gid: 50 }, ranges);
    expect(mapArguments(mapping.uids)).toEqual(["0", "1000", "1", "1", "100", "10"]);
    expect(mapArguments(mapping.gids)).toEqual(["0", "50", "1", "1", "200", "5", "6", "400", "5"]);
  });

  it("names no id twice, even if the user's own is in its range", () => {
    const range = fc.record({ start: fc.integer({ min: 0, max: 60 }), count: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 80 }), range, (own, only) => {
        const { uids } = fullMapping({ uid: own, gid: own }, { uids: [only], gids: [] });
        const outside = uids.flatMap(({ outside, count }) => Array.from({ length: count }, (_, i) => outside + i));
        const inside = uids.flatMap(({ inside, count }) => Array.from({ length: count }, (_, i) => inside + i));
        expect(new Set(outside).size).toBe(outside.length);
        expect(inside).toEqual(Array.from({ length: idCount(uids) }, (_, i) => i));
      }),
    );
  });
});

describe("the flavour of files", () => {
  it("is root where ids mean themselves, in however many namespaces", () => {
    expect(isIdentity(identity)).toBe(true);
    expect(flavourOf([identities, identities])).toBe("root");
  });

  it("differs between mappings, and between the same mapping in different surroundings", () => {
    const full = fullMapping({ uid: 1000, gid: 1000 }, { uids: [{ start: 5, count: 9 }], gids: [] });
    const other = fullMapping({ uid: 1000, gid: 1000 }, { uids: [{ start: 6, count: 9 }], gids: [] });
    const flavours = [[full], [other], [full, other], [other, full], [full, identities]].map(flavourOf);
    expect(new Set(flavours.slice(0, 4)).size).toBe(4);
    expect(flavours[4]).toBe(flavours[0]);
    for (const flavour of flavours) expect(flavour).toMatch(/^[a-z][a-z0-9]*$/);
  });
});
