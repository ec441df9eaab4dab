/**
 * docs/errors.md lists every error code with its meaning. It is made from the comments of src/support/errors.ts; after a
 * change there, `NACRE_UPDATE_ERRORS=1 npx vitest run test/project/errorCodes.test.ts` writes it anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exitCodeOf } from "../../src/cli/failure.js";
import { type ErrorCode, NacreError } from "../../src/support/errors.js";

const source = fileURLToPath(new URL("../../src/support/errors.ts", import.meta.url));
const page = fileURLToPath(new URL("../../docs/errors.md", import.meta.url));

/** The table's rows: each code of the union with the comment above it. */
function rows(): string[] {
  const union = /export type ErrorCode =([\s\S]*?);\n/.exec(readFileSync(source, "utf8"))?.[1] ?? "";
  const members = [...union.matchAll(/\/\*\* ([\s\S]*?) \*\/\s*\| "([A-Z_]+)"/g)];
  expect(members.length, "every code has a comment").toBe(union.split("| ").length - 1);
  return members.map(([, meaning = "", code = ""]) => {
    const text = meaning
      .replaceAll(/\s*\n\s*\* /g, " ")
      .replace(/ \(exit code \d\)/, "")
      .replaceAll("|", "\\|");
    return `| \`${code}\` | ${text} | ${exit(code as ErrorCode)} |`;
  });
}

function exit(code: ErrorCode): string {
  return code === "CANCELLED" ? "130, 143" : String(exitCodeOf(new NacreError(code, "")));
}

test("docs/errors.md lists every error code with its meaning and its exit code", () => {
  const text = readFileSync(page, "utf8");
  const wanted = text.replace(/(\|---\|---\|---\|\n)(?:\|.*\n)*/, `$1${rows().join("\n")}\n`);
  if (process.env.NACRE_UPDATE_ERRORS === "1") writeFileSync(page, wanted);
  else expect(text).toBe(wanted);
});
