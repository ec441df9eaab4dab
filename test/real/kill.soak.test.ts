/** Two hundred builds killed at random moments, at every level that works here. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildArguments, killBuild, makeContext, mountsBelow, settled } from "../build/killing.js";
import { runNacre } from "../setup/nacre.js";

const ROUNDS = Number(process.env.NACRE_SOAK_KILLS ?? 200);
const SIGNALS: readonly NodeJS.Signals[] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGKILL"];

describe.skipIf(process.getuid?.() !== 0).each(["namespaces", "oci", "chroot"])(
  "builds killed at the level %s",
  (level) => {
    const top = mkdtempSync(join(tmpdir(), "nacre-kill-soak-"));
    const store = join(top, "store");
    let whole = 0;

    beforeAll(async () => {
      makeContext(top);
      const started = Date.now();
      const { code, output } = await runNacre(store, buildArguments(top, 0, level));
      expect(code, output).toBe(0);
      whole = Date.now() - started;
    });
    afterAll(() => rmSync(top, { recursive: true, force: true }));

    const rounds = level === "namespaces" ? ROUNDS : Math.ceil(ROUNDS / 4);
    it(`leave nothing behind, ${rounds} times`, { timeout: 3_600_000 }, async () => {
      for (let round = 1; round <= rounds; round++) {
        const signal = SIGNALS[round % SIGNALS.length]!;
        const after = Math.random() * whole * 1.1;
        await killBuild(store, buildArguments(top, round, level), signal, after);
        const where = `round ${round}: ${signal} after ${Math.round(after)} ms`;
        // At chroot, what a kill -9 leaves is swept by the next command.
        const check = await runNacre(store, ["check"]);
        expect(check.code, `${where}\n${check.output}`).toBe(0);
        expect(await settled(top, 5000), where).toEqual([]);
        expect(mountsBelow(top), where).toEqual([]);
      }
      const last = await runNacre(store, buildArguments(top, rounds + 1, level));
      expect(last.code, last.output).toBe(0);
      expect(readdirSync(join(store, "tmp")).filter((name) => !name.startsWith("u."))).toEqual([]);
    });
  },
);
