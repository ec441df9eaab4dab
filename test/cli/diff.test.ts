/** `nacre diff` as it is typed: its forms, exit codes, and names that mean harm. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MAX_COMMENT } from "../../src/cli/commands/diffMarkdown.js";
import type { Member } from "../archive/images.js";
import { type ImageWish, makeImage, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { nacre, type Outcome, tempDirectory } from "./invocation.js";

const run = (...argv: readonly string[]): Promise<Outcome> =>
  nacre(["diff", ...argv], { env: { NACRE_HOME: join(tempDirectory(), "store") } });
const layout = (layers: NonNullable<ImageWish["layers"]>, wish: ImageWish = {}): string =>
  `oci:${writeLayout(makeImage({ ...wish, layers }))}`;

const BASE: readonly Member[] = [{ path: "etc/motd", content: "hello\n" }, { path: "etc/same" }];
const one = () => layout([BASE], { config: { config: { Env: ["A=1"] } } });
const other = () =>
  layout(
    [
      BASE,
      [
        { path: "etc/motd", content: "you\n", mode: 0o600 },
        { path: "new", content: "12345" },
      ],
    ],
    {
      config: { config: { Env: ["A=2"] } },
    },
  );

describe("exit codes", () => {
  test("0: the same; 1: different; 2: an error", async () => {
    const image = one();
    expect((await run(image, image)).code).toBe(0);
    const different = await run(image, other());
    expect([different.code, different.stderr]).toEqual([1, ""]);
    for (const argv of [
      [image, "oci:/nowhere"],
      [image],
      [image, image, image],
      [image, "--layer", "9"],
      [image, "--layers", "0"],
      [image, "--layers", "0..x"],
      [image, image, "--layer", "0"],
      ["--name-only", "--stat", image, image],
      ["--format", "markdown", "--file", "x", image, image],
      ["--semantic", "--time", image, image],
      ["--by", "colour", image, image],
      ["--ignore", "[", image, image],
      ["--depth", "-1", image, image],
      ["--file", "nothing", image, image],
    ]) {
      const { code, stdout, stderr } = await run(...argv);
      expect([argv.slice(0, 2), code, stdout]).toEqual([argv.slice(0, 2), 2, ""]);
      expect(stderr).toMatch(/^ERROR: /m);
      expect(stderr).not.toMatch(/internal error|bug in nacre/);
    }
  });
});

describe("the forms", () => {
  test("table: sums, layers, config, folders, files", async () => {
    const { stdout } = await run("--read-shared", one(), other());
    expect(stdout).toMatch(/^They differ in layers, config, history, files$/m);
    expect(stdout).toMatch(/^Layers: 1 shared, 1 only in B$/m);
    expect(stdout).toMatch(/^Files: 1 added, 0 removed, 1 changed \(\+3B\)$/m);
    expect(stdout).toMatch(/^Where A is, B costs a download of \S+: 1 layer and the config$/m);
    expect(stdout).toMatch(/^~ env A +1 +2$/m);
    expect(stdout).toMatch(/^~ content, mode 0644 → 0600 +-2B +\/etc\/motd$/m);
    expect(stdout).toMatch(/^\+ added +5B +\/new$/m);
  });

  test("--stat leaves out files, --name-only everything else, --limit cuts", async () => {
    const [a, b] = [one(), other()];
    expect((await run("--read-shared", "--stat", a, b)).stdout).not.toContain("/etc/motd");
    expect((await run("--read-shared", "--name-only", a, b)).stdout).toBe("/etc/motd\n/new\n");
    expect((await run("--read-shared", "--name-only", "--limit", "1", a, b)).stdout).toBe("/etc/motd\n");
    const { stdout } = await run("--read-shared", "--limit", "1", a, b);
    expect(stdout).toContain("… and 1 more (--limit 0 shows all");
    expect(stdout).not.toContain("/new");
  });

  test("what shared layers decide that were not read is marked, and it is said how to know", async () => {
    const { stdout } = await run(one(), other());
    expect(stdout).toMatch(/^\? only listed in B +4B +\/etc\/motd$/m);
    expect(stdout).toMatch(/^What is marked with \? .*--read-shared reads them$/m);
  });

  test("json: one object with everything in it, or as much of it as wanted", async () => {
    const [a, b] = [one(), other()];
    const whole = JSON.parse((await run("--read-shared", "--format", "json", a, b)).stdout);
    expect(whole).toMatchObject({
      ...{ schema: "nacre.diff/1", isSame: false, compared: { by: "final", times: false, ignores: [] } },
      files: {
        totals: { added: 1, changed: 1 },
        changes: [{ path: "etc/motd", reasons: ["content", "mode"] }, { path: "new" }],
      },
    });
    const part = JSON.parse((await run("--read-shared", "--format", "json", "--limit", "1", a, b)).stdout);
    expect([part.files.changes.length, part.files.omitted]).toEqual([1, 1]);
    const layers = JSON.parse((await run("--by", "layer", "--format", "json", a, b)).stdout);
    expect(layers.layers[1].files.changes.map(({ path }: { path: string }) => path)).toEqual(["etc/motd", "new"]);
    expect(JSON.parse((await run("--format", "json", a, a)).stdout)).toMatchObject({
      isSame: true,
      files: { changes: [] },
    });
  });

  test("layers of one image, wherever the image stands among the words", async () => {
    const image = other();
    const first = await run(image, "--layers", "0", "1", "--name-only");
    expect([first.code, first.stdout]).toEqual([1, "/etc/motd\n/etc/same\n/new\n"]);
    expect((await run("--layers", "0", "1", image, "--name-only")).stdout).toBe(first.stdout);
    expect((await run("--layers", "0..1", image, "--name-only")).stdout).toBe("/etc/motd\n/new\n");
    expect((await run("--layer", "1", image)).stdout).toMatch(/^Files: 1 added, 0 removed, 1 changed/m);
  });
});

describe.skipIf(toolMissing("git"))("--file", () => {
  test("prints a patch that git applies", async () => {
    const root = tempDirectory();
    mkdirSync(join(root, "etc"));
    writeFileSync(join(root, "etc/motd"), "hello\n");
    const { code, stdout } = await run("--file", "/etc/motd", one(), other());
    expect(code).toBe(1);
    execFileSync("git", ["apply", "-"], {
      cwd: root,
      input: stdout,
      env: { ...process.env, GIT_CEILING_DIRECTORIES: root },
    });
    expect(execFileSync("cat", [join(root, "etc/motd")]).toString()).toBe("you\n");
    expect(await run("--file", "etc/same", one(), other())).toMatchObject({ code: 0, stdout: "" });
  });
});

/** Names that would drive a terminal, end a cell or a tag, call people, or load something. */
const EVIL = [
  "\u001b[2J\u009b31m",
  "a|b\\|c",
  "`code` ``two``",
  "<img src=x onerror=alert(1)><script>x</script>",
  "</details></table>\n# head",
  "@everyone see #1 and https://evil.example/ www.evil.example",
  "\u202etxt.exe",
  "bytes \u00ff\u00fe",
];

describe("names that mean harm", () => {
  const members = EVIL.map(
    (name): Member => ({ path: Buffer.from(name.replaceAll("/", "_")).toString("latin1"), content: name }),
  );
  const evil = () =>
    layout([[...members, { path: "link", type: "symlink", link: Buffer.from(EVIL.join("")).toString("latin1") }]], {
      config: {
        created: EVIL[0],
        history: [{ created_by: EVIL.join(" ") }],
        config: {
          Labels: Object.fromEntries(EVIL.map((name) => [name, name])),
          Env: EVIL.map((name) => `${name}=${name}`),
        },
      },
    });
  const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/;

  test("are harmless on a terminal", async () => {
    for (const flags of [[], ["--name-only"], ["--format", "json"], ["--by", "layer"]]) {
      const { stdout, stderr } = await run(...flags, layout([[]]), evil());
      expect(stdout + stderr).not.toMatch(control);
    }
  });

  test("are text in HTML, and the page may load nothing", async () => {
    const { stdout } = await run("--format", "html", layout([[]]), evil());
    expect(stdout).not.toMatch(control);
    const tags = [...stdout.matchAll(/<\/?([a-z!0-9]+)/g)].map(([, name]) => name);
    expect([...new Set(tags)].sort()).toEqual(
      [
        "!doctype",
        "body",
        "details",
        "h1",
        "head",
        "html",
        "li",
        "meta",
        "style",
        "summary",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
      ].sort(),
    );
    expect(stdout).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(stdout).toMatch(
      /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[^']+'/,
    );
    expect(stdout).not.toMatch(/<[^>]*(?:\bon\w+=|src=|href=)/);
  });

  test("are code in markdown: cells keep their number, nothing stands outside of code", async () => {
    const { stdout } = await run("--format", "markdown", layout([[]]), evil());
    expect(stdout).not.toMatch(control);
    for (const line of stdout.split("\n").filter((text) => text.startsWith("| `"))) {
      const bare = withoutCode(line.replaceAll("\\|", ""));
      expect(bare).toMatch(/^\|[ |]*\|$/);
    }
    expect(withoutCode(stdout)).not.toMatch(/<img|<script|@everyone|#1|https:|www\./);
    expect(stdout.match(/^<details>$/gm)?.length).toBe(stdout.match(/^<\/details>$/gm)?.length);
  });

  /** The text outside of code spans, as CommonMark reads it: a span ends with as many backticks as it began with. */
  function withoutCode(text: string): string {
    return text.replace(/(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, "");
  }
});

describe("a comment for a pull request", () => {
  test("is never longer than it may be; what is left out is counted", async () => {
    const many = Array.from(
      { length: 3000 },
      (_, at): Member => ({ path: `some/folder/with-a-long-name-${at}/${"x".repeat(80)}` }),
    );
    const Labels = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`label-${at}`, "<".repeat(500)]));
    const big = layout([many], { config: { config: { Labels }, history: [{ created_by: "&".repeat(5000) }] } });
    const { stdout } = await run("--format", "markdown", "--limit", "0", layout([[]]), big);
    expect(stdout.length).toBeLessThanOrEqual(MAX_COMMENT);
    expect(stdout.length).toBeGreaterThan(MAX_COMMENT / 2);
    for (const subject of ["Layers", "Config", "History", "Folders", "Files"])
      expect(stdout).toContain(`<summary>${subject}`);
    expect(stdout.match(/^… and \d+ more$/gm)?.length).toBe(2);
    expect(stdout.trimEnd().endsWith("</details>")).toBe(true);
  });
});
