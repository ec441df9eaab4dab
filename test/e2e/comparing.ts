/** Running rows with nacre, and comparing what it does with what Docker did. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { DockerBuilder, NacreBuilder, type Steps } from "./builders.js";
import { isRecording, Recording } from "./recording.js";
import { instructionOf, makeBox, type Row, runRow } from "./rows.js";

const TIMEOUT = 60_000;

/** True if these tests cannot run here. */
export const cannotRun =
  process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar", "git", "docker-registry"].some(toolMissing);

/**
 * Declares a test for each row of a table.
 * @param name of the recording
 * @param alone one row after the other, since they start servers that end with the test
 */
export function compareRows(name: string, rows: readonly Row[], alone = false): void {
  let home: string;
  let nacre: NacreBuilder;
  const docker = new DockerBuilder();
  const recording = new Recording(name);

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "nacre-e2e-store-"));
    nacre = new NacreBuilder(join(home, "store"));
    if (isRecording) await makeBox(docker);
    await makeBox(nacre);
  });

  afterAll(async () => {
    rmSync(home, { recursive: true, force: true });
    if (!isRecording) return;
    recording.save(rows.map((row) => row.name));
    await docker.forget();
  });

  const limit = pLimit(2);
  const check = async (row: Row): Promise<void> => {
    if (isRecording) recording.set(row.name, await runRow(row, docker));
    compare(row, await runRow(row, nacre), recording.get(row.name) ?? {});
  };
  for (const row of rows) {
    if (alone) it(row.name, () => check(row), TIMEOUT);
    else it.concurrent(row.name, () => limit(() => check(row)), TIMEOUT);
  }

  it("has a recording of each row, and of nothing else", () => {
    if (!isRecording) expect(recording.names).toEqual(rows.map((row) => row.name));
  });
}

function compare(row: Row, all: Steps, docker: Steps): void {
  const made = merged(all, docker);
  expect(Object.keys(made).sort(), "the steps").toEqual(Object.keys(docker).sort());
  for (const [label, answer] of Object.entries(made)) {
    const [less, more] = [row.fewer, row.more].map((named) => named && nameFor(label, named));
    if (less !== undefined) expect(answer, `${label}: ${less}`).toBe("cached");
    if (more !== undefined) expect(answer, `${label}: ${more}`).toBe("made");
    const theirs = less !== undefined ? "made" : more !== undefined ? "cached" : answer;
    expect(docker[label], `Docker: ${label}`).toBe(theirs);
    const wanted = nameFor(label, row.expected);
    if (wanted !== undefined) expect(answer, label).toBe(wanted);
  }
  for (const start of Object.keys({ ...row.expected, ...row.fewer, ...row.more })) {
    expect(Object.keys(made).some((label) => nameFor(label, { [start]: true }))).toBe(true);
  }
}

/** What is said of a step by the beginning of its instruction; the longest counts. */
function nameFor<T>(label: string, named: Readonly<Record<string, T>>): T | undefined {
  if (label.startsWith("[box ")) return undefined;
  const starts = Object.keys(named).filter((start) => instructionOf(label).startsWith(start));
  const longest = starts.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? undefined : named[longest];
}

/** BuildKit shows a step that two stages have in the same place only once. */
function merged(made: Steps, docker: Steps): Steps {
  const isTwin = (label: string): boolean =>
    Object.keys(docker).some((other) => instructionOf(other) === instructionOf(label) && made[other] === made[label]);
  return Object.fromEntries(Object.entries(made).filter(([label]) => label in docker || !isTwin(label)));
}
