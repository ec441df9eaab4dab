/**
 * What a user reads when something is wrong: the whole of standard error for each way to fail, kept in testdata/errors and
 * meant to be read. After a change, `NACRE_UPDATE_ERRORS=1 npx vitest run test/cli/errorMessages.test.ts` writes the files
 * anew; read the difference before keeping it. A new case needs only its name, command and files.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { type ErrorCase, formatErrorFile, parseErrorFile, runErrorCase } from "./errorCases.js";
import { tempDirectory } from "./invocation.js";

const folder = fileURLToPath(new URL("../../testdata/errors", import.meta.url));
const update = process.env.NACRE_UPDATE_ERRORS === "1";

/** Files whose commands execute steps. */
const EXECUTING = new Set(["run.txt"]);
const cannotExecute = process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

for (const name of readdirSync(folder)) {
  const path = join(folder, name);
  const file = parseErrorFile(readFileSync(path, "utf8"));
  const said = new Map<ErrorCase, string>();

  describe.skipIf(EXECUTING.has(name) && cannotExecute)(`testdata/errors/${name}`, () => {
    for (const each of file.cases) {
      test(each.name, async () => {
        vi.stubEnv("SSH_AUTH_SOCK", undefined);
        const found = await runErrorCase(each, tempDirectory()).finally(() => vi.unstubAllEnvs());
        said.set(each, found);
        checkManners(found);
        if (!update) expect(found).toBe(each.kept);
      });
    }

    afterAll(() => {
      if (!update) return;
      const cases = file.cases.map((each) => ({ ...each, kept: said.get(each) ?? each.kept }));
      writeFileSync(path, formatErrorFile({ ...file, cases }));
    });
  });
}

/** What holds for every message. */
function checkManners(text: string): void {
  expect(text, "the command fails").toMatch(/^exit (1|2)\n/);
  expect(text, "says what is wrong").toMatch(/^ERROR: \S/m);
  expect(text, "says what to do").toMatch(/^hint: \S/m);
  expect(text, "is no bug").not.toContain("internal error");
  expect(text, "has no stack").not.toMatch(/^ {4}at /m);
  expect(text, "cannot steer a terminal").not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(Math.max(...text.split("\n").map((line) => line.length)), "has lines of bearable length").toBeLessThan(400);
}
