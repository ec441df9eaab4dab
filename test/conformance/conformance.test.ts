/**
 * Every case of testdata/conformance is built by nacre's command and compared with what Docker made of it: outcome, place
 * of the error, config, history, and the flattened root file system with all metadata but times.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import pLimit from "p-limit";
import { afterAll, beforeAll, describe, type ExpectStatic, it } from "vitest";
import { runNacre } from "../setup/nacre.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { type CaseResult, Oracle } from "./oracle.js";

const corpus = fileURLToPath(new URL("../../testdata/conformance", import.meta.url));
const names = readdirSync(corpus)
  .filter((name) => name.endsWith(".txtar"))
  .map((name) => basename(name, ".txtar"))
  .sort();

/** Builds that run at the same time. */
const limit = pLimit(2);

/** True if the case's `needs:` lines are met here. */
function canRun(name: string): boolean {
  const text = readFileSync(join(corpus, `${name}.txtar`), "utf8");
  const needs = [...text.matchAll(/^needs: (.*)$/gm)].flatMap((match) => match[1]!.trim().split(/\s+/));
  return needs.every((need) => (need === "root" ? process.getuid?.() === 0 : !toolMissing(need)));
}

describe.skipIf(toolMissing("python3") || toolMissing("bash"))("nacre builds what Docker builds", () => {
  const scratch = mkdtempSync(join(tmpdir(), "nacre-conformance-"));
  const oracle = new Oracle(findTool("python3")!);
  const base = join(scratch, "base");

  beforeAll(async () => {
    const kept = join(corpus, "base");
    if (toolMissing("busybox")) symlinkSync(kept, base);
    else await oracle.makeBases(base, kept);
  });

  afterAll(() => {
    oracle.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  // The embedded level: what runtimes do on their own account differs from version to version.
  const isolation = process.env.NACRE_ISOLATION || "namespaces";
  const nacre = (args: readonly string[], stdin?: string, more: Readonly<Record<string, string>> = {}) =>
    runNacre(join(scratch, "store"), args, { NACRE_ISOLATION: isolation, ...more }, stdin);

  async function check(name: string, expect: ExpectStatic): Promise<void> {
    const recorded: CaseResult = JSON.parse(readFileSync(join(corpus, `${name}.json`), "utf8"));
    const top = join(scratch, name);
    const found = await oracle.unpack(join(corpus, `${name}.txtar`), top, base);
    const image = `${top}.image.tar`;
    const { code, output } = await nacre(
      ["build", "--progress=plain", ...found.options, "-o", `type=oci,dest=${image}`, ...found.inputs],
      found.stdin ?? undefined,
      // What a registry far away would say is no one's business here.
      found.address ? {} : { NACRE_OFFLINE: "1" },
    );
    for (const text of found.says) expect(output).toContain(text);
    expect(output, "no stack trace").not.toMatch(/^ {4}at .+:\d+:\d+\)?$/m);
    if (found.outcome === "fail") {
      expect(code, output).toBe(1);
      const place = found.place ?? recorded.place;
      if (place) expect(output).toMatch(new RegExp(`${place.replaceAll(".", "\\.")}(?!\\d)`));
    } else {
      expect(code, output).toBe(0);
      const made = comparable(await oracle.read(image, found, base), found.differs);
      expect(made).toEqual(comparable({ ...recorded, problems: [] }, found.differs));
    }
    rmSync(top, { recursive: true, force: true });
    rmSync(image, { force: true });
  }

  for (const name of names) {
    it.skipIf(!canRun(name)).concurrent(name, ({ expect }) => limit(() => check(name, expect)));
  }

  it("leaves a store in which every blob and reference is whole", async ({ expect }) => {
    const { code, output } = await nacre(["check"]);
    expect(code, output).toBe(0);
  });
});

/** A result without the kinds of things that the case declares as different, its files by path. */
function comparable(result: CaseResult, differs: string | null): Record<string, unknown> {
  const { fs = [], ...rest } = result;
  const out: Record<string, unknown> = {
    ...rest,
    // The root's own metadata is in a layer only if a builder cares to write it.
    fs: Object.fromEntries(fs.filter((entry) => entry.path !== ".").map((entry) => [entry.path, entry])),
  };
  for (const kind of differs?.split(":")[0]?.split(",") ?? []) delete out[kind.trim()];
  return out;
}
