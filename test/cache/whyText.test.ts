import { describe, expect, test } from "vitest";
import type { Change, FileChange, Input, MissReason } from "../../src/cache/why.js";
import { longReason, shortReason, storedReasonText } from "../../src/cache/whyText.js";

const changed = (...changes: Change[]): MissReason => ({ kind: "changed", changes });
const word = { kind: "word", word: 0, text: "." } as const;
const files = (total: number, ...list: FileChange[]): Change => {
  const directories = list.filter(({ type }) => type === "dir").length;
  return {
    what: "files",
    source: word,
    known: true,
    totals: { files: total, differing: list.length - directories, directories },
    files: list,
  };
};
const file = (path: string, ...reasons: FileChange["reasons"]): FileChange => ({ path, type: "file", reasons });
const content = { what: "content", before: 1, after: 2 } as const;
const image = (digit: string, reference?: string): Input => {
  return {
    kind: "image",
    digest: `sha256:${digit.repeat(64)}`,
    platform: "linux/amd64",
    ...(reference ? { reference } : {}),
  };
};

describe("a reason on one line", () => {
  test.each<[string, MissReason]>([
    ["never built here", { kind: "first", scope: "project" }],
    ["new in this build", { kind: "first", scope: "step" }],
    ["not looked for (--no-cache)", { kind: "disabled", by: "no-cache" }],
    [
      "evicted by gc on 2026-03-01 (least recently used)",
      { kind: "evicted", at: Date.UTC(2026, 2, 1), why: "least recently used" },
    ],
    ["its record is gone from the cache", { kind: "evicted" }],
    ["its record is damaged", { kind: "unusable", why: "damaged" }],
    ["its layer is gone from the store", { kind: "unusable", why: "blobs" }],
    [
      "2 of 1,204 files differ: src/a.ts (content), README.md (mode 0644 → 0755)",
      changed(
        files(1204, file("src/a.ts", content), file("README.md", { what: "mode", before: "0644", after: "0755" })),
      ),
    ],
    [
      "1 of 1 file differs: a (content, owner 0:0 → 5:5)",
      changed(files(1, file("a", content, { what: "owner", before: "0:0", after: "5:5" }))),
    ],
    ["1 directory differs: d/ (added)", changed(files(7, { path: "d", type: "dir", reasons: [{ what: "added" }] }))],
    [
      "5 of 9 files and 1 directory differ: d/ (removed), f0 (removed), f1 (removed), … and 3 more",
      changed(
        files(
          9,
          { path: "d", type: "dir", reasons: [{ what: "removed" }] },
          ...[0, 1, 2, 3, 4].map((i) => file(`f${i}`, { what: "removed" })),
        ),
      ),
    ],
    ["files of . differ (which ones is not known any more)", changed({ what: "files", source: word, known: false })],
    [
      "files that match *.c: d.c new; b.c gone",
      changed({ what: "matches", source: { ...word, text: "*.c" }, added: ["d.c"], removed: ["b.c"] }),
    ],
    [
      "argument VERSION: 1.2 → 1.3",
      changed({ what: "variable", name: "VERSION", argument: true, before: "1.2", after: "1.3" }),
    ],
    ['variable A is new: " x"', changed({ what: "variable", name: "A", after: " x" })],
    [
      "argument NPM_TOKEN: another value, not shown",
      changed({ what: "variable", name: "NPM_TOKEN", argument: true, before: "****", after: "****", masked: true }),
    ],
    ["variable API_KEY is gone", changed({ what: "variable", name: "API_KEY", before: "****", masked: true })],
    [
      "base debian:12 moved: sha256:111111111111… → sha256:222222222222…",
      changed({ what: "input", role: "parent", before: image("1", "debian:12"), after: image("2", "debian:12") }),
    ],
    [
      "base: debian:12 → debian:13",
      changed({ what: "input", role: "parent", before: image("1", "debian:12"), after: image("2", "debian:13") }),
    ],
    [
      "image at /m alpine moved: sha256:111111111111… → sha256:222222222222…",
      changed({ what: "input", role: "mount", mount: "/m", before: image("1"), after: image("2", "alpine") }),
    ],
    [
      "step 4 RUN npm ci changed",
      changed({
        what: "input",
        role: "parent",
        step: 3,
        same: true,
        after: { kind: "step", key: "k", step: 3, instruction: "RUN npm ci" },
      }),
    ],
    [
      "built on step 2 RUN new in place of step 1 RUN old",
      changed({
        what: "input",
        role: "parent",
        step: 1,
        before: { kind: "step", key: "a", step: 0, instruction: "RUN old" },
        after: { kind: "step", key: "b", step: 1, instruction: "RUN new" },
      }),
    ],
    [
      "copied from the image alpine in place of the context",
      changed({ what: "input", role: "source", before: { kind: "context" }, after: image("1", "alpine") }),
    ],
    ["user: none → app", changed({ what: "setting", name: "user", before: "", after: "app" })],
    ["--link is new", changed({ what: "setting", name: "link", after: true })],
    [
      "cache mount /c: uid: 0 → 7",
      changed({
        what: "mount",
        target: "/c",
        type: "cache",
        change: "changed",
        fields: [{ name: "uid", before: 0, after: 7 }],
      }),
    ],
    [
      "the order of the variables; command: a → b; and 1 more",
      changed({ what: "variableOrder" }, { what: "command", before: "a", after: "b" }, { what: "other", name: "x" }),
    ],
  ])("%s", (text, reason) => expect(shortReason(reason)).toBe(text));

  test("shows long texts where they differ", () => {
    const text = shortReason(
      changed({ what: "command", before: `${"x".repeat(500)}abc`, after: `${"x".repeat(500)}abd${"y".repeat(500)}` }),
    );
    expect(text).toMatch(/^command: …x{13}abc → …x{13}abdy+…$/);
    expect(text.length).toBeLessThan(160);
  });

  test("counts the files of all sources together", () => {
    expect(
      shortReason(changed(files(10, file("a", content)), { what: "variableOrder" }, files(5, file("b", content)))),
    ).toBe("2 of 15 files differ: a (content), b (content); the order of the variables");
  });

  test("goes back to where it began, past what follows from it", () => {
    const follows = changed({ what: "input", role: "parent", step: 4, same: true });
    const root = {
      steps: [5, 4, 3],
      instruction: "RUN npm ci",
      reason: changed({ what: "command", before: "npm i", after: "npm ci" }),
    };
    expect(shortReason(follows, { root })).toBe("step 4 RUN npm ci changed: command: npm i → npm ci");
    expect(shortReason(follows, { root, stepName: (step) => `[s ${step}]` })).toBe(
      "[s 3] changed: command: npm i → npm ci",
    );
    const evicted = { steps: [5, 3], instruction: "RUN new", reason: { kind: "first", scope: "step" } as const };
    expect(shortReason(follows, { root: evicted })).toBe("step 4 RUN new: new in this build");
    expect(
      shortReason(changed({ what: "variableOrder" }), {
        root: { steps: [5], reason: changed({ what: "variableOrder" }) },
      }),
    ).toBe("the order of the variables");
  });
});

describe("a reason that was read back", () => {
  test("is told, unless it is none that is known", () => {
    expect(storedReasonText({ kind: "evicted" })).toBe("its record is gone from the cache");
    const foreign = [
      null,
      1,
      "x",
      {},
      { kind: "new" },
      { kind: "changed" },
      { kind: "changed", changes: [{ what: "files", known: true }] },
    ];
    for (const reason of foreign) expect(storedReasonText(reason)).toBe("");
  });
});

describe("a reason on several lines", () => {
  test("lists files up to a limit and says how many there are besides", () => {
    const many = Array.from({ length: 332 }, (_, i) => file(`f${i}`, content));
    const lines = longReason({
      kind: "changed",
      instruction: { before: "COPY a .", after: "COPY b ." },
      changes: [files(400, ...many)],
    });
    expect(lines.slice(0, 3)).toEqual([
      "the instruction was edited: COPY a . → COPY b .",
      "332 of 400 files differ in .:",
      "  f0 (content)",
    ]);
    expect(lines.length).toBe(23);
    expect(lines.at(-1)).toBe("  … and 312 more; all of them with --format json");
  });

  test("tells where it began below what differs", () => {
    const follows = changed({
      what: "input",
      role: "parent",
      step: 4,
      same: true,
      after: { kind: "step", key: "k", step: 4, instruction: "RUN b" },
    });
    const root = { steps: [5, 4, 3], instruction: "COPY . .", reason: changed(files(2, file("a", content))) };
    expect(longReason(follows, { root })).toEqual([
      "step 5 RUN b changed",
      "it began with step 4 COPY . .:",
      "  1 of 2 files differs in .:",
      "    a (content)",
    ]);
    expect(longReason({ kind: "first", scope: "project" })).toEqual(["never built here"]);
  });
});
