/**
 * `--format` with templates, as Docker has it. In: a text with `{{…}}` of Go's text/template, and rows of data (plain
 * objects). Out: lines. A template is read once; what is wrong with it is told in Docker's words, and no template can
 * make endless work or output.
 */
import { nearest } from "../../support/suggest.js";
import { alignColumns } from "./columns.js";
import { runTemplate } from "./evaluate.js";
import { FUNCTION_NAMES } from "./functions.js";
import { parseTemplate } from "./parser.js";

/** What is known of the rows that a template will get. */
export interface TemplateFields {
  /** The fields that each row has, with the header of its column in a table; without them any key may be asked for. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A template that has been read. */
export interface Template {
  /** What it makes of one row. @throws NacreError USAGE for what the row has not, or a function cannot take */
  render(row: unknown): string;
  /** What it makes of the headers: functions leave them as they are. */
  renderHeaders(): string;
}

/**
 * Reads a template.
 * @throws NacreError USAGE (`template parsing error: …`)
 */
export function compileTemplate(text: string, { headers }: TemplateFields = {}): Template {
  const nodes = parseTemplate(text, FUNCTION_NAMES);
  const hint = headers && ((name: string) => hintFor(name, Object.keys(headers)));
  return {
    render: (row) => runTemplate(text, nodes, row, { hint }),
    renderHeaders: () => runTemplate(text, nodes, headers ?? {}, { forHeaders: true }),
  };
}

function hintFor(name: string, fields: readonly string[]): string {
  const near = nearest(name, fields);
  return near ? `did you mean .${near}?` : `fields are ${fields.map((field) => `.${field}`).join(", ")}`;
}

/** A listing's `--format` that is a template: `TEMPLATE`, or `table TEMPLATE` for columns with headers. */
export interface ListingFormat {
  /** The lines of the listing. @throws NacreError USAGE as {@link Template.render} */
  lines(rows: readonly object[]): string[];
}

/**
 * Reads the `--format` of a listing. `\t` and `\n` in it stand for a tab and a line break.
 * @param headers fields with their headers
 * @throws NacreError USAGE
 */
export function compileListing(format: string, headers: Readonly<Record<string, string>>): ListingFormat {
  const isTable = format.startsWith("table");
  const text = (isTable ? format.slice("table".length) : format).replace(/^ +| +$/g, "");
  const template = compileTemplate(text.replaceAll("\\t", "\t").replaceAll("\\n", "\n"), { headers });
  if (!isTable) return { lines: (rows) => rows.flatMap((row) => template.render(row).split("\n")) };
  return {
    lines: (rows) => {
      // Rows first: where one fails, no headers stand alone.
      const body = rows.flatMap((row) => template.render(row).split("\n"));
      return alignColumns([...template.renderHeaders().split("\n"), ...body]);
    },
  };
}
