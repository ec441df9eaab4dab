/** A build that is killed leaves nothing behind: no process, no mount, no half-made layer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runNacre } from "../setup/nacre.js";
import { toolMissing } from "../setup/tools.js";
import { buildArguments, killBuild, makeContext, mountsBelow, settled } from "./killing.js";

const isRoot = process.getuid?.() === 0;
const missing = ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(!isRoot || missing)("a build that is killed", () => {
  const top = mkdtempSync(join(tmpdir(), "nacre-kill-"));
  const store = join(top, "store");
  let whole = 0;

  beforeAll(async () => {
    makeContext(top);
    const started = Date.now();
    const { code, output } = await runNacre(store, buildArguments(top, 0, "namespaces"));
    expect(code, output).toBe(0);
    whole = Date.now() - started;
  });
  afterAll(() => rmSync(top, { recursive: true, force: true }));

  const signals: readonly NodeJS.Signals[] = ["SIGKILL", "SIGTERM", "SIGKILL", "SIGINT", "SIGKILL"];

  // The moments are spread over the time that a build takes, so that each part of it is hit.
  it.each(Array.from({ length: 10 }, (_, i) => [i + 1, signals[i % signals.length]!] as const))(
    "leaves nothing behind (%i, %s)",
    async (round, signal) => {
      await killBuild(store, buildArguments(top, round, "namespaces"), signal, (whole * round) / 11);
      expect(await settled(top, 5000)).toEqual([]);
      expect(mountsBelow(top)).toEqual([]);
      const check = await runNacre(store, ["check"]);
      expect(check.code, check.output).toBe(0);
    },
  );

  it("does not keep the next one from succeeding", async () => {
    const { code, output } = await runNacre(store, buildArguments(top, 11, "namespaces"));
    expect(code, output).toBe(0);
    expect(mountsBelow(top)).toEqual([]);
  });
});
