import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";

vi.mock("nacre", () => import("../../src/index.js"));

test("the example of the library runs as it stands", async () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  onTestFinished(() => log.mockRestore());
  await import("../../examples/library/build.js");
  const wrote = lines.find((line) => line.startsWith("wrote "))?.slice(6) ?? "";
  if (wrote !== "") rmSync(dirname(wrote), { recursive: true, force: true });
  expect(lines).toContainEqual(expect.stringMatching(/^→ \[final|^→ .*COPY/));
  expect(lines).toContainEqual(expect.stringMatching(/^sha256:[0-9a-f]{64}: 0 of \d+ steps were cached$/));
  expect(lines.at(-1)).toMatch(/^\d+ files by /);
});
