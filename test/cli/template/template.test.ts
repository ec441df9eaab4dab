/** Templates of `--format`, compared with what Docker made of the same ones (recorded by `record` beside this file). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileListing, compileTemplate } from "../../../src/cli/template/template.js";
import { isNacreError } from "../../../src/support/errors.js";

interface Recorded {
  readonly template: string;
  readonly output?: string;
  readonly error?: string;
}

const docker = JSON.parse(readFileSync("testdata/template/docker.json", "utf8")) as {
  readonly inspect: { readonly row: object; readonly cases: readonly Recorded[] };
  readonly images: { readonly rows: readonly object[]; readonly cases: readonly Recorded[] };
};

/**
 * Where nacre has words of its own: it finds the first when it reads the template, Go's are of its insides in the second, and
 * Docker takes a list of texts for one of anything in the third, after its first look at the argument has failed.
 */
const OWN_WORDS: readonly string[] = ["{{$x = 1}}", "{{len nil}}", "{{join .Config.Env 1}}"];

/** The result with line breaks as a command prints it, or the message of the failure. */
function outcomeOf(work: () => string): Pick<Recorded, "output" | "error"> {
  try {
    return { output: work() };
  } catch (error) {
    if (!isNacreError(error) || error.code !== "USAGE") throw error;
    return { error: error.message };
  }
}

/** Types of Go's own that a message names say nothing to anyone. */
function withoutTypes(message: string): string {
  return message.replace(/ in type \S+.*$/, "");
}

function expectAsRecorded({ template, output, error }: Recorded, found: Pick<Recorded, "output" | "error">): void {
  if (error === undefined) expect(found).toEqual({ output });
  else if (OWN_WORDS.includes(template)) expect(found.error).toMatch(/^template parsing error: template: :1:/);
  else expect(withoutTypes(found.error ?? `no error, but ${found.output}`)).toBe(withoutTypes(error));
}

describe("a template does what docker does with it", () => {
  test.each(docker.inspect.cases)("on one object: $template", (recorded) => {
    expectAsRecorded(
      recorded,
      outcomeOf(() => `${compileTemplate(recorded.template).render(docker.inspect.row)}\n`),
    );
  });

  test.each(docker.images.cases)("on a listing: $template", (recorded) => {
    const headers = { Repository: "REPOSITORY", Tag: "TAG", Digest: "DIGEST" };
    expectAsRecorded(
      recorded,
      outcomeOf(() =>
        compileListing(recorded.template, headers)
          .lines(docker.images.rows)
          .map((line) => `${line}\n`)
          .join(""),
      ),
    );
  });
});

const render = (template: string, row: unknown = {}): string => compileTemplate(template).render(row);

describe("a template", () => {
  test("that asks for an unknown field is told which ones there are", () => {
    const headers = { Name: "NAME", StarCount: "STARS" };
    const hintOf = (template: string): unknown => {
      try {
        return compileTemplate(template, { headers }).render({ Name: "a", StarCount: "1" });
      } catch (error) {
        return isNacreError(error) ? error.hint : error;
      }
    };
    expect(hintOf("{{.Nam}}")).toBe("did you mean .Name?");
    expect(hintOf("{{.Description}}")).toBe("fields are .Name, .StarCount");
  });

  test("sees of an object only what was put into it", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      expect(() => render(`{{.${name}}}`, { A: 1 })).toThrow("map has no entry");
      expect(render(`{{index . "${name}"}}`, { A: 1 })).toBe("<no value>");
    }
  });

  test("shows what strangers wrote as text, and leaves lines and the user's own codes alone", () => {
    const row = { Name: "\x1b[31mred\u202e", Lines: "a\nb\tc" };
    expect(render("\x1b[1m{{.Name}}\x1b[0m {{json .Name}} {{.Lines}}", row)).toBe(
      '\x1b[1m\\x1b[31mred\\u202e\x1b[0m "\\u001b[31mred\\u202e" a\nb\tc',
    );
  });

  test("never cuts a character", () => {
    const row = { Text: "aé漢" };
    expect(render("{{truncate .Text 2}}|{{truncate .Text 3}}|{{slice .Text 0 5}}", row)).toBe("a|aé|aé");
  });

  test.each([
    ["endless output", '{{range 100000}}{{printf "%1000d" 1}}{{end}}', "prints at most"],
    ["endless work", "{{range 100000}}{{range 100000}}{{end}}{{end}}", "too many steps"],
    ["a range over a huge number", "{{range 999999999999}}{{end}}", "too many steps"],
    ["values that double", doubling(60), "a text has at most"],
    [
      "many long texts",
      `${'{{$x := printf "%1000d" 1}}'.repeat(20)}{{range 30000}}{{$x := printf "%1000d" 1}}{{end}}`,
      "makes too much",
    ],
    [
      "joining with a long text",
      `{{$x := printf "%1000d" 1}}{{$l := split $x ""}}{{join $l (join $l (join $l $x))}}`,
      "a text has",
    ],
    ["widths without measure", '{{printf "%999999999d" 1}}', "widths and precisions"],
    ["padding without measure", '{{pad "x" 999999999 1}}', "blanks are counted"],
    ["deep parentheses", `{{${"(".repeat(5000)}1${")".repeat(5000)}}}`, "in each other"],
    ["deep blocks", "{{if 1}}".repeat(3000) + "{{end}}".repeat(3000), "in each other"],
    ["many else ifs", `{{if false}}${"{{else if false}}".repeat(3000)}{{end}}`, "in each other"],
    ["a text without end", "x".repeat(100_000), "at most"],
  ])("has bounds: %s", (_what, template, message) => {
    expect(() => render(template)).toThrow(new RegExp(message));
  });

  test("of any bytes is rendered or refused, and nothing else", () => {
    const pieces = fc.constantFrom(
      ...[
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        ".A",
        ".",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ",",
        '"',
        "`",
        "'",
        "1",
        "if",
        "else",
      ],
      ...[
        "end",
        "range",
        "with",
        "len",
        "json",
        "index",
        "and",
        "printf",
        "%d",
        "/*",
        "*/",
        "\n",
        "é",
        "\\",
        "nil",
        "true",
      ],
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 20 }), (words) => {
        const { output, error } = outcomeOf(() => render(words.join(""), { A: ["x", 1, null, { b: true }] }));
        expect(output ?? error).toBeTypeOf("string");
      }),
      { numRuns: 2000 },
    );
  });

  test("without actions is its own text", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("{{")),
        (text) => render(text) === text,
      ),
    );
  });
});

/** Each variable holds the one before twice. */
function doubling(times: number): string {
  const steps = Array.from({ length: times }, () => "{{$x = print $x $x}}").join("");
  return `{{$x := "xxxxxxxxxxxxxxxx"}}${steps}{{$x}}`;
}

describe("a table", () => {
  test("without rows has its headers", () => {
    const headers = { Name: "NAME", Size: "SIZE" };
    expect(compileListing("table {{.Name}}\\t{{.Size}}", headers).lines([])).toEqual(["NAME      SIZE"]);
    expect(compileListing("{{.Name}}", headers).lines([])).toEqual([]);
  });

  test("counts characters that take two columns as two", () => {
    const lines = compileListing("table {{.A}}\\t{{.B}}", { A: "A", B: "B" }).lines([{ A: "漢漢漢漢漢漢", B: "x" }]);
    expect(lines).toEqual(["A              B", "漢漢漢漢漢漢   x"]);
  });
});
