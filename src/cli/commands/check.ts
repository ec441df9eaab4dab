/** `nacre check`. */

import type { CheckReport } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";
import { withProgress } from "./withProgress.js";

interface CheckCommandOptions {
  readonly repair?: boolean;
  readonly quiet?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre check", "hash every blob, follow every reference"],
  ["nacre check --repair", "and remove what is damaged"],
);

/** Declares the command. */
export function checkCommand(invocation: Invocation): Command {
  return new Command("check")
    .summary("verify the store")
    .description(
      "Verify the store: every blob is hashed again, every reference followed to its last layer. Exit code 1 if anything is wrong.",
    )
    .usage("[OPTIONS]")
    .option("--repair", "remove what is damaged, and names that lose a part of their image")
    .option("-q, --quiet", "no progress")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => runCheck(invocation, optionsOf<CheckCommandOptions>(self)));
}

async function runCheck(invocation: Invocation, options: CheckCommandOptions & GlobalOptions): Promise<void> {
  if (!(await storeThere(invocation, options))) {
    print(invocation.stderr, ["there is no store yet: nothing to check"]);
    return;
  }
  const report = await withProgress(invocation, options, "check the store", (step) =>
    withStore(invocation, options, options.repair ? "write" : "read", (store, library) =>
      library.checkStore(store, {
        repair: options.repair === true,
        onProgress: (done, total) => {
          invocation.signal.throwIfAborted();
          step.progress(done, total, "bytes");
        },
      }),
    ),
  );
  print(invocation.stdout, options.format === "json" ? [printableJson(report)] : renderReport(report));
  const left = report.problems.filter((problem) => !problem.repaired).length;
  if (left === 0) return;
  throw new NacreError("CONTENT_INVALID", `${left} problem${left === 1 ? "" : "s"} in the store`, {
    hint: "remove what is damaged with: nacre check --repair",
  });
}

/** The lines of a report: what is wrong, then what was looked at. */
export function renderReport(report: CheckReport): string[] {
  const problems = report.problems.map(
    ({ kind, name, message, repaired }) =>
      `${kind} ${printable(name)}: ${printable(message)}${repaired ? " (repaired)" : ""}`,
  );
  const seen = [
    count(report.blobs, "blob"),
    count(report.references, "reference"),
    count(report.indexes, "index", "indexes"),
    count(report.records, "record"),
    ...(report.snapshots > 0 ? [count(report.snapshots, "snapshot")] : []),
    ...(report.sources > 0 ? [count(report.sources, "source")] : []),
  ];
  return [...problems, `checked ${seen.join(", ")}: ${formatBytes(report.bytes)} hashed`, ...verdict(report)];
}

function verdict(report: CheckReport): string[] {
  return report.problems.length === 0 ? ["the store is sound"] : [];
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
