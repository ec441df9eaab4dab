import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeText } from "../../src/support/bytes.js";
import { outcome } from "./view.js";

const root = new URL("../../testdata/dockerfile/", import.meta.url);

// A case is a folder with a Dockerfile and expected.json, which names the members that matter.
for (const name of readdirSync(root).filter((folder) => folder !== "real")) {
  test(`testdata/dockerfile/${name} parses as expected`, () => {
    const text = decodeText(readFileSync(new URL(`${name}/Dockerfile`, root)));
    const expected: unknown = JSON.parse(readFileSync(new URL(`${name}/expected.json`, root), "utf8"));
    expect(outcome(text)).toMatchObject(expected as object);
  });
}
