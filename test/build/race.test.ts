import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { Store } from "../../src/store/store.js";
import { outcomes, Project } from "./helpers.js";

const DOCKERFILE = "FROM scratch\nCOPY . /x\n";

/** A process that rewrites a file with ever new contents, sometimes of the same size, until it is killed. */
function startWriter(path: string): ChildProcess {
  const script = `
    const fs = require("node:fs");
    for (let i = 0; ; i++) fs.writeFileSync(${JSON.stringify(path)}, String(i).padStart(8, "0").repeat(1 + (i % 3) * 500));
  `;
  return spawn(process.execPath, ["-e", script], { stdio: "ignore" });
}

describe("a file that changes while it is built", () => {
  test("between keying and composing: the build starts again and has the new content", async () => {
    const project = new Project({ a: "1", b: "2" });
    await project.build(DOCKERFILE);
    project.put({ a: "old" });
    let touched = false;
    const result = await project.build(DOCKERFILE, {
      emit: (event) => {
        if (touched || event.type !== "start" || !event.id.startsWith("step:")) return;
        touched = true;
        writeFileSync(join(project.dir, "a"), "new");
      },
    });
    expect(await project.files(result)).toContain("x/a file 644 new");
    expect(result.warnings.map(({ rule }) => rule)).toContain("ContextChanged");
    expect(outcomes(await project.build(DOCKERFILE))).toEqual(["COPY . /x: cached"]);
  });

  test("again and again: the build fails, names the file, records nothing and gives no name", async () => {
    const project = new Project({ a: "1" });
    await project.build(DOCKERFILE, { tags: ["t:1"] });
    project.put({ a: "2" });
    const failing = project.build(DOCKERFILE, {
      tags: ["t:2"],
      emit: (event) => {
        if (event.type === "start" && event.id.startsWith("step:")) appendFileSync(join(project.dir, "a"), "more");
        if (event.type === "start" && event.id.startsWith("step:"))
          writeFileSync(join(project.dir, "a"), `${Math.random()}`);
      },
    });
    await expect(failing).rejects.toMatchObject({
      code: "CONTEXT_CHANGED",
      message: expect.stringMatching(/a (in the build context .*)?changed while it was being built/),
    });
    const store = await Store.open(project.store);
    expect(store.resolveReference("docker.io/library/t:2")).toBeUndefined();
    expect((await checkStore(store)).problems).toEqual([]);
    await store.close();
    const result = await project.build(DOCKERFILE);
    expect(outcomes(result)).toEqual(["COPY . /x: done"]);
    expect(await project.files(result)).toContain(`x/a file 644 ${readFileSync(join(project.dir, "a"), "latin1")}`);
  });

  test("a writer that races many builds never leaves a wrong answer behind", async () => {
    const project = new Project({ calm: "calm", noisy: "00000000" });
    const writer = startWriter(join(project.dir, "noisy"));
    try {
      for (let i = 0; i < 12; i++) {
        try {
          const result = await project.build(DOCKERFILE);
          const noisy = (await project.files(result)).find((line) => line.startsWith("x/noisy"));
          expect(noisy).toMatch(/^x\/noisy file 644 (\d{8})*$/);
        } catch (error) {
          expect(error).toMatchObject({ code: "CONTEXT_CHANGED" });
        }
      }
    } finally {
      writer.kill("SIGKILL");
      await new Promise((resolve) => writer.once("exit", resolve));
    }
    const result = await project.build(DOCKERFILE);
    expect(await project.files(result)).toContain(
      `x/noisy file 644 ${readFileSync(join(project.dir, "noisy"), "latin1")}`,
    );
  });
});

describe("several builds on one store at once", () => {
  test("all succeed, agree, and leave a whole store", async () => {
    const one = new Project({ a: "1", "d/b": "2" });
    const dockerfile = "FROM scratch AS s\nWORKDIR /w\nCOPY . .\nFROM scratch\nCOPY --from=s /w /v\nCOPY a /a\n";
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        one.build(dockerfile, { tags: [`t:${i}`], sourceDateEpoch: 0, reproducible: true }),
      ),
    );
    expect(new Set(results.map(({ digest }) => digest)).size).toBe(1);
    const store = await Store.open(one.store);
    expect((await checkStore(store)).problems).toEqual([]);
    expect(store.listReferences()).toHaveLength(8);
    await store.close();
  });
});
