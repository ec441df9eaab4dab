/** The waste of an image as dive shows it. */
import { once } from "node:events";
import type { DiveReport } from "../../index.js";
import { formatBytes } from "../../support/human.js";
import { formatCsvLine } from "../csv.js";
import type { OutputStream } from "../invocation.js";
import { renderPairs, renderTable } from "../table.js";
import { printable } from "../terminalText.js";

/** Bytes that are gathered before they are written. */
const CHUNK = 1 << 16;

/** Lines with dive's names and, as in its own output, the files with most bytes first. */
export function diveLines(report: DiveReport, top: number): string[] {
  const { efficiency, wastedBytes, userWastedPercent, inefficient } = report;
  const shown: string[][] = [];
  for (const { count, sizeBytes, file } of report.files()) {
    if (shown.length === top) break;
    shown.push([String(count), formatBytes(sizeBytes), file]);
  }
  return [
    ...renderPairs([
      ["efficiency", `${(efficiency * 100).toFixed(4)} %`],
      ["wastedBytes", `${wastedBytes} bytes (${formatBytes(wastedBytes)})`],
      // 0/0 is shown as nothing, as dive does.
      ["userWastedPercent", `${(wastedBytes === 0 ? 0 : userWastedPercent * 100).toFixed(4)} %`],
    ]),
    ...(shown.length === 0 ? [] : ["", ...renderTable(["COUNT", "WASTED SPACE", "FILE PATH"], shown)]),
    ...(inefficient > shown.length ? [`and ${inefficient - shown.length} more`] : []),
  ];
}

/** All files, one a line. */
export function diveCsv(report: DiveReport): string[] {
  const lines = ["count,bytes,path"];
  for (const { count, sizeBytes, file } of report.files()) {
    lines.push(formatCsvLine([String(count), String(sizeBytes), printable(file)]));
  }
  return lines;
}

/** Writes a long text as it is made, no faster than its reader reads. */
export async function writeParts(stream: OutputStream, parts: Iterable<string>): Promise<void> {
  let text = "";
  for (const part of parts) {
    text += part;
    if (text.length < CHUNK) continue;
    if (!stream.write(text)) await once(stream, "drain");
    text = "";
  }
  stream.write(`${text}\n`);
}
