import { test } from "vitest";
import { highlight } from "../../src/dockerfile/tokens.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { isNacreError } from "../../src/support/errors.js";
test("x", () => {
  const time = (name: string, f: () => unknown) => { const s = performance.now(); let r: unknown; try { r = f(); } catch (e) { r = isNacreError(e) ? e.message.slice(0, 100) : e; } console.log(name, Math.round(performance.now() - s), typeof r === "string" ? r : ""); };
  const M = 10 * 1024 * 1024;
  const cases: Record<string, string> = {
    feeds: "FROM x\n" + "\n".repeat(M),
    envs: "FROM x\n" + "ENV a=b\n".repeat(M / 8),
    cont: "FROM x\nENV a=b" + " \\\nc=d".repeat(M / 7),
    cont2: "FROM x\nENV a=b" + " \\\nc=d".repeat(400000),
    contComments: "FROM x\nRUN a\\\n" + "#\\\n".repeat(M / 3) + "b",
    json: "FROM x\nCMD [" + '"a",\\\n'.repeat(400000) + '"b"]',
    flags: "FROM x\nRUN " + "--mount=type=x \\\n".repeat(100000) + "b",
    heredocs: "FROM x\nRUN " + "<<A \\\n".repeat(100000) + "b\n" + "A\n".repeat(100000),
    heredocUn: "FROM x\nRUN <<A\n" + "x\n".repeat(M / 2),
    heredocName: "FROM x\nRUN <<" + "${x}\\\n".repeat(400000) + "\n",
    runs: "FROM x\n" + "RUN a $b\n".repeat(M / 9),
    wars: "FROM x\n" + ("RUN "+ "$a ".repeat(5000) + "\n").repeat(M / 15000),
  };
  for (const [n, c] of Object.entries(cases)) { time(n, () => parseDockerfile(c, "D")); time(`  hl ${n}`, () => highlight(c)); }
});
