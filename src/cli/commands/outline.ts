/** `nacre build --call outline|targets|subrequests.describe`: answers in the form that docker buildx prints. */
import type { BuildRequest, Outline, SourceRange, Targets } from "../../index.js";
import { encodeText } from "../../support/bytes.js";
import { type Invocation, note, print } from "../invocation.js";
import { displayWidth, padEnd, printable, printableJson } from "../terminalText.js";

/** How an answer is printed. */
export type CallFormat = "text" | "json";

/** The calls that are answered besides `build`, as BuildKit's frontend describes them. */
const CALLS = [
  {
    name: "outline",
    description: "List all parameters current build target supports",
    opts: [{ name: "target", description: "Target build stage" }],
  },
  { name: "targets", description: "List all targets current build supports", opts: [] },
  { name: "subrequests.describe", description: "List available subrequest types", opts: null },
] as const;

/** The version of all three. */
const VERSION = "1.0.0";

/** Prints the outline of the request's target, and says on standard error which bases it had to do without. */
export async function runOutline(invocation: Invocation, request: BuildRequest, format: CallFormat): Promise<void> {
  const { outlineDockerfile } = await import("../../index.js");
  const outline = await outlineDockerfile(request);
  print(invocation.stdout, format === "json" ? [outlineJson(outline)] : renderOutline(outline));
  if (outline.missingBases.length === 0) return;
  const names = outline.missingBases.map(printable).join(", ");
  note(invocation, `not in the store: ${names}; the variables and ONBUILD triggers of such a base are not looked at`);
}

/** Prints the stages of the request's Dockerfile. */
export async function runTargets(invocation: Invocation, request: BuildRequest, format: CallFormat): Promise<void> {
  const { listTargets } = await import("../../index.js");
  const targets = await listTargets(request);
  print(invocation.stdout, format === "json" ? [targetsJson(targets)] : renderTargets(targets));
}

/** Prints which calls there are. */
export async function runDescribe(invocation: Invocation, format: CallFormat): Promise<void> {
  const rows = CALLS.map(({ name, description }) => [name, VERSION, description]);
  const lines = format === "json" ? [describeJson()] : columns([["NAME", "VERSION", "DESCRIPTION"], ...rows], 1);
  print(invocation.stdout, lines);
}

/** The lines of an outline: its name, then a table for each kind of parameter that it has. */
export function renderOutline({ name, description, args, secrets, ssh, caches }: Outline): string[] {
  const head = [...(name ? [["TARGET:", name]] : []), ...(description ? [["DESCRIPTION:", description]] : [])];
  const required = (mount: { readonly id: string; readonly required: boolean }): readonly string[] => [
    mount.id,
    mount.required ? "true" : "",
  ];
  const sections = [
    columns(head, 1),
    table(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value ?? "", arg.description ?? ""]),
    ),
    table(["SECRET", "REQUIRED"], secrets.map(required)),
    table(["SSH", "REQUIRED"], ssh.map(required)),
    table(
      ["CACHE"],
      caches.map(({ id }) => [id]),
    ),
  ];
  return sections.filter((lines) => lines.length > 0).flatMap((lines) => [...lines, ""]);
}

/** The lines of a list of stages. */
export function renderTargets({ targets }: Targets): string[] {
  const rows = targets.map((target) => {
    const name = target.name ?? "";
    const shown = target.default ? `${name} (default)`.trim() : name;
    return [shown, target.description ?? ""];
  });
  return columns([["TARGET", "DESCRIPTION"], ...rows], 1);
}

/** The outline as JSON, with the members and the order that BuildKit's has. */
export function outlineJson(outline: Outline): string {
  const mounts = (list: Outline["secrets"]) =>
    list.map(({ id, required, range }) => ({ name: id, ...(required ? { required } : {}), ...location(range) }));
  return printableJson({
    ...given("name", outline.name),
    ...given("description", outline.description),
    ...list(
      "args",
      outline.args.map(({ name, value, description, range }) => ({
        name,
        ...given("description", description),
        ...given("value", value),
        ...location(range),
      })),
    ),
    ...list("secrets", mounts(outline.secrets)),
    ...list("ssh", mounts(outline.ssh)),
    ...list(
      "cache",
      outline.caches.map(({ id, range }) => ({ ID: id, ...location(range) })),
    ),
    sources: [encoded(outline.source)],
  });
}

/** The stages as JSON, with the members and the order that BuildKit's have. */
export function targetsJson({ targets, source }: Targets): string {
  return printableJson({
    targets: targets.map((target) => ({
      ...given("name", target.name),
      ...(target.default ? { default: true } : {}),
      ...given("description", target.description),
      base: target.base,
      ...given("platform", target.platform),
      ...location(target.range),
    })),
    sources: [encoded(source)],
  });
}

function describeJson(): string {
  const metadata = ["result.json", "result.txt"].map((name) => ({ name, description: "" }));
  return printableJson(
    CALLS.map(({ name, description, opts }) => ({
      name: `frontend.${name}`,
      version: VERSION,
      type: "rpc",
      description,
      opts,
      inputs: null,
      metadata,
      refs: null,
    })),
  );
}

/** BuildKit has a range for each line. */
function location({ start, end }: SourceRange) {
  const lines = Array.from({ length: end.line - start.line + 1 }, (_, i) => start.line + i);
  return { location: { ranges: lines.map((line) => ({ start: { line }, end: { line } })) } };
}

/** A member that BuildKit leaves out when it is empty. */
function given(name: string, value: string | undefined): Record<string, string> {
  return value ? { [name]: value } : {};
}

function list<T>(name: string, items: readonly T[]): Record<string, readonly T[]> {
  return items.length > 0 ? { [name]: items } : {};
}

function encoded(text: string): string {
  return encodeText(text).toString("base64");
}

function table(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : columns([headers, ...rows], 3);
}

/** Columns as wide as their longest cell, with a gap between them; the last one is not padded. */
function columns(rows: readonly (readonly string[])[], gap: number): string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => displayWidth(row[column] ?? ""))));
  return cells.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column]! + gap))).join(""),
  );
}
