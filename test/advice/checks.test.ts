import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ADVICE_RULES } from "../../src/advice/finding.js";
import { OWN_REMARKS } from "../../src/dockerfile/lint/options.js";
import { nacre, tempDirectory } from "../cli/invocation.js";
import { advise, rules } from "./advise.js";

const APP = { "package.json": "{}", "src/main.js": "x" };
const LATE = "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm install\n";

test("every rule can be switched off by name without a remark", () => {
  expect([...OWN_REMARKS]).toEqual(expect.arrayContaining(Object.keys(ADVICE_RULES)));
});

test("findings come in the order of the file, each once, though stages share steps", async () => {
  const dockerfile =
    "FROM node AS base\nARG GIT_SHA\nWORKDIR /app\nCOPY . .\nRUN npm install\nFROM base AS a\nFROM base AS b\n";
  expect(await rules(dockerfile, APP)).toEqual(["2 CacheHostileOrder", "4 CopyBeforeDependencies"]);
});

test("a stage that cannot be planned does not keep others from being looked at", async () => {
  const broken = "FROM x AS broken\nARG V\nENV A=${V:?none}\nCOPY . /\n";
  expect(await rules(`${broken}${LATE}`, APP)).toEqual(["7 CopyBeforeDependencies"]);
});

test("a clean project gets no advice", async () => {
  const dockerfile =
    "FROM node\nARG PORT=80\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nARG GIT_SHA\nLABEL rev=$GIT_SHA\n";
  expect(await advise(dockerfile, { ...APP, ".dockerignore": "node_modules\n.git\n" })).toEqual([]);
});

test("nacre build --check tells advice below its findings, with exit code 0 where there is nothing else", async () => {
  const root = tempDirectory();
  mkdirSync(join(root, "src"));
  for (const [name, content] of Object.entries({ ...APP, Dockerfile: LATE.replace("node", "scratch") }))
    writeFileSync(join(root, name), content);
  const store = join(tempDirectory(), "store");
  const text = await nacre(["build", "--store", store, "--check", root]);
  expect(text.code).toBe(0);
  expect(text.stdout).toContain(
    "Check complete, no warnings found.\n\nADVICE: CopyBeforeDependencies\nCOPY . . comes before npm install",
  );
  expect(text.stdout).toContain("hint: put before it: COPY package.json /app/; RUN npm install\n");
  const json = await nacre(["build", "--store", store, "--call", "check,format=json", root]);
  expect(json.stdout).not.toContain("CopyBeforeDependencies");
  const sarif = await nacre(["build", "--store", store, "--call", "check,format=sarif", root]);
  expect(JSON.parse(sarif.stdout).runs[0].results).toMatchObject([
    {
      ruleId: "CopyBeforeDependencies",
      level: "note",
      locations: [{ physicalLocation: { region: { startLine: 3 } } }],
    },
  ]);
});
