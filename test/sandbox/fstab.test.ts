import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FstabEntry, fstabText, overlayOptions } from "../../src/sandbox/fstab.js";

describe("lists of mounts", () => {
  let directory: string;
  beforeAll(() => {
    directory = fs.mkdtempSync(join(tmpdir(), "nacre-fstab-"));
  });
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** As libmount, which mount(8) uses, reads a file. */
  const read = (entries: readonly FstabEntry[]) => {
    const file = join(directory, "fstab");
    fs.writeFileSync(file, Buffer.from(fstabText(entries), "latin1"));
    const args = ["--tab-file", file, "--raw", "--noheadings", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS"];
    const { stdout, error } = spawnSync("findmnt", args, {
      encoding: "latin1",
      env: { PATH: process.env.PATH, LC_ALL: "C" },
    });
    if (error) throw error;
    const plain = (field: string) =>
      field.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ").map(plain));
  };

  it("are read by libmount as they were written, whatever the paths", () => {
    const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 47);
    const likely = fc.constantFrom(..." \t\n\\#,:'\"=0478\xff\x7f".split("").map((char) => char.charCodeAt(0)));
    const name = fc
      .array(fc.oneof(byte, likely), { minLength: 1, maxLength: 12 })
      .map((bytes) => String.fromCharCode(...bytes));
    const path = fc
      .array(
        name.filter((part) => part !== "." && part !== ".."),
        { minLength: 1, maxLength: 3 },
      )
      .map((names) => `/${names.join("/")}`);
    const entry = fc.record({ source: path, target: path });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (entries) => {
        const lines = entries.map((paths) => ({ ...paths, type: "bind", options: ["ro", "nosuid"] }));
        expect(read(lines)).toEqual(entries.map(({ source, target }) => [source, target, "none", "bind,ro,nosuid"]));
      }),
      { numRuns: 150 },
    );
  });

  it("hold mounts of all kinds", () => {
    const entries = [
      { source: "tmpfs", target: "/a", type: "tmpfs", options: [] },
      { source: "/sys", target: "/b", type: "bind", options: ["rbind", "ro"] },
    ];
    expect(fstabText(entries)).toBe("tmpfs /a tmpfs defaults 0 0\n/sys /b none rbind,ro 0 0\n");
  });

  it("refuse an overlay whose options do not fit into a page", () => {
    const lower = Array.from({ length: 600 }, (_, i) => `l/${i}`);
    expect(overlayOptions({ lower, upper: "u", work: "w", options: [] })?.[0]).toMatch(/^lowerdir=l\/0:l\/1:/);
    expect(overlayOptions({ lower: [...lower, ...lower], upper: "u", work: "w", options: [] })).toBeUndefined();
  });
});
