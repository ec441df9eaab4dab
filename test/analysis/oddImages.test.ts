/**
 * Every command that looks into images, on every odd image: the right answer, or an error that says what is wrong. Nothing
 * ends in a stack trace, and nothing that strangers wrote into an image reaches the terminal as it is.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { toByteString } from "../../src/support/bytes.js";
import { tempDir } from "../archive/images.js";
import { nacre, type Outcome } from "../cli/invocation.js";
import { toolMissing } from "../setup/tools.js";
import { EXPECTED, type Expected } from "./odd/expected.js";
import { ODD_IMAGES, ODD_NAMES, type OddName } from "./odd/images.js";

const NAMES = Object.keys(ODD_IMAGES) as OddName[];
const specs = new Map<OddName, string>();
const store = join(tempDir(), "store");
beforeAll(() => {
  for (const name of NAMES) specs.set(name, ODD_IMAGES[name]());
});
const PLAIN: OddName = "zstd";

/** What no terminal may get: escape codes and all other control characters but the line break, direction marks, half characters. */
const UNSAFE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffd]/;

/** Runs a command of which nothing but text is expected. */
async function run(...argv: readonly string[]): Promise<Outcome> {
  const outcome = await nacre(["--store", store, ...argv], { env: { NACRE_OFFLINE: "1" } });
  const both = outcome.stdout + outcome.stderr;
  expect(both).not.toMatch(UNSAFE);
  expect(both).not.toMatch(/internal error|\n {4}at |this is a bug/);
  expect([0, 1, 2]).toContain(outcome.code);
  return outcome;
}

/** Output that is one JSON object. */
function jsonOf({ stdout }: Outcome): Record<string, unknown> {
  return JSON.parse(stdout) as Record<string, unknown>;
}

const linesOf = ({ stdout }: Outcome): string[] => stdout.split("\n").filter((line) => line !== "");
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

/** True if the image cannot be looked at that deep; then the command has failed with the words for it. */
function isRefused(outcome: Outcome, reason: RegExp | undefined, code = 1): boolean {
  if (reason === undefined) {
    expect(outcome).toMatchObject({ stderr: expect.not.stringContaining("ERROR") });
    return false;
  }
  expect(outcome.stderr).toMatch(reason);
  expect(outcome.code).toBe(code);
  return true;
}

interface Subject {
  readonly spec: string;
  readonly expected: Expected;
  readonly name: OddName;
}

/** Paths of a listing of JSON lines as byte strings, the root left out. */
function listed(outcome: Outcome): string[] {
  const files = linesOf(outcome)
    .slice(1)
    .map((line) => JSON.parse(line) as { path: string; type: string });
  return files.filter(({ path }) => path !== "/").map(({ type, path }) => `${type} ${toByteString(path).slice(1)}`);
}

/** What lies on the disk, as {@link Expected.files} has it. */
function onDisk(root: string, below = ""): string[] {
  const names = readdirSync(join(root, below), { encoding: "latin1" });
  return names.flatMap((name) => {
    const path = below === "" ? name : `${below}/${name}`;
    const facts = lstatSync(Buffer.from(`${root}/${path}`, "latin1"));
    if (facts.isDirectory()) return [`dir ${path}`, ...onDisk(root, path)];
    return [`${facts.isSymbolicLink() ? "symlink" : "file"} ${path}`];
  });
}

/** A byte string as commands take it. */
const pathText = (path: string): string => Buffer.from(path, "latin1").toString();

/** What each command has to do. A command of its own is a line here. */
const COMMANDS: Readonly<Record<string, (subject: Subject) => Promise<void>>> = {
  async history({ spec, expected: { refused, history } }) {
    const outcome = await run("history", "--no-trunc", "--format", "json", spec);
    await run("history", "--layers", spec);
    if (isRefused(outcome, refused)) return;
    const told = linesOf(outcome).map((line) => (JSON.parse(line) as { CreatedBy: string }).CreatedBy);
    expect(told).toEqual(history!.map((text) => (text === undefined ? "(no history)" : expect.stringContaining(text))));
  },
  async inspect({ spec, expected: { refused, layers } }) {
    const outcome = await run("inspect", spec);
    if (isRefused(outcome, refused)) return;
    const [image] = JSON.parse(outcome.stdout) as { RootFS: { Layers?: unknown[] }; Layers: unknown[] }[];
    expect([image!.RootFS.Layers?.length ?? 0, image!.Layers.length]).toEqual([layers, layers]);
  },
  async verify({ spec, expected: { findings } }) {
    const outcome = await run("verify", "--format", "json", spec);
    const report = jsonOf(outcome) as { sound: boolean; findings: { severity: string; class: string }[] };
    expect(sorted(report.findings.map((one) => `${one.severity} ${one.class}`))).toEqual(sorted(findings));
    const isBad = findings.some((one) => one.startsWith("error"));
    expect([outcome.code, report.sound]).toEqual(isBad ? [1, false] : [0, true]);
    const text = await run("verify", "--strict", spec);
    expect(text.code).toBe(findings.every((one) => one.startsWith("note")) ? 0 : 1);
    for (const finding of findings) expect(text.stdout).toMatch(new RegExp(finding.replace(" ", " +")));
  },
  async diff({ spec, expected: { refused, unreadable, isDamaged, changes } }) {
    // What is one image is not read.
    const same = await run("diff", spec, spec);
    if (isRefused(same, refused, 2)) return;
    expect(same.code).toBe(0);
    const outcome = await run("diff", "--semantic", "--read-shared", "--format", "json", specs.get(PLAIN)!, spec);
    // Layers that are kept elsewhere or encrypted are compared by their digests.
    if (isRefused(outcome, unreadable, isDamaged ? 2 : 1)) return;
    const { files } = jsonOf(outcome) as { files?: { changes: { kind: string }[] } };
    const count = (kind: string) => (files?.changes ?? []).filter((change) => change.kind === kind).length;
    const { added, removed, changed } = changes ?? { added: 0, removed: 0, changed: 0 };
    expect({ added: count("added"), removed: count("removed"), changed: count("changed") }).toEqual({
      added,
      removed,
      changed,
    });
  },
  async tree({ spec, expected: { refused, unreadable, files } }) {
    for (const format of ["tree", "table", "csv"]) await run("tree", "--depth", "all", "--format", format, spec);
    const outcome = await run("tree", "--depth", "all", "--format", "json", spec);
    if (isRefused(outcome, refused ?? unreadable)) return;
    expect(sorted(listed(outcome))).toEqual(sorted(files!));
  },
  async cat({ spec, expected: { refused, unreadable, isBelow, probe } }) {
    const outcome = await run("cat", spec, pathText(probe?.path ?? "etc/motd"));
    if (isRefused(outcome, refused ?? (isBelow ? undefined : unreadable) ?? (probe ? undefined : /etc\/motd/))) return;
    expect(outcome.stdout).toBe(probe!.content);
  },
  async extract({ spec, expected: { refused, unreadable, files, probe } }) {
    const destination = join(tempDir(), "out");
    const outcome = await run("extract", spec, "/", destination);
    if (isRefused(outcome, refused ?? unreadable)) return;
    const isPlain = (file: string): boolean => /^(?:dir|file|symlink) /.test(file);
    expect(sorted(onDisk(destination))).toEqual(sorted(files!.filter(isPlain)));
    if (probe) expect(readFileSync(join(destination, pathText(probe.path)), "utf8")).toBe(probe.content);
  },
  async which({ spec, expected: { refused, unreadable, probe } }) {
    const path = pathText(probe?.path ?? "etc/motd");
    await run("which", spec, path);
    const outcome = await run("which", "--format", "json", spec, path);
    if (isRefused(outcome, refused ?? unreadable ?? (probe ? undefined : /etc\/motd/))) return;
    const { versions } = jsonOf(outcome) as { versions: { layer: { number: number } }[] };
    expect(versions.map(({ layer }) => layer.number)).toEqual(probe!.layers);
  },
  async waste({ spec, expected: { refused, unreadable, waste } }) {
    await run("waste", spec);
    await run("waste", "--compat=dive", spec);
    const outcome = await run("waste", "--format", "json", spec);
    if (isRefused(outcome, refused ?? unreadable) || waste === undefined) return;
    expect(jsonOf(outcome)).toMatchObject(waste);
  },
  async gate({ spec, expected: { refused, unreadable, layers = 0, files = [] } }) {
    const rules = ["--no-rules", "--format", "json", "--max-layers", `${layers}`];
    const shallow = await run("gate", ...rules, spec);
    if (isRefused(shallow, refused, 2)) return;
    expect(shallow.code).toBe(0);
    for (const format of ["table", "junit", "sarif", "github", "markdown"]) await run("gate", "--format", format, spec);
    const deep = await run("gate", ...rules, "--forbidden-paths", "/etc/motd", spec);
    if (isRefused(deep, unreadable, 2)) return;
    expect(deep.code).toBe(files.includes("file etc/motd") ? 1 : 0);
  },
  async "size-report"({ spec, expected: { refused, unreadable } }) {
    const same = await run("size-report", "--no-files", "--format", "json", "--baseline", spec, spec);
    if (isRefused(same, refused)) return;
    expect(jsonOf(same)).toMatchObject({ growth: { content: 0, layers: 0 }, download: 0 });
    const plain = specs.get(PLAIN)!;
    for (const format of ["markdown", "table"]) await run("size-report", "--format", format, "--baseline", plain, spec);
    const grown = jsonOf(await run("size-report", "--no-files", "--format", "json", "--baseline", spec, plain));
    const back = await run("size-report", "--format", "json", "--baseline", plain, spec);
    if (isRefused(back, unreadable)) return;
    const growth = (report: unknown) => (report as { growth: { content: number } }).growth.content;
    expect(growth(grown)).toBe(-growth(jsonOf(back)) || 0);
  },
};

describe.each(NAMES)("%s", (name) => {
  test.each(Object.keys(COMMANDS))("%s", async (command) => {
    await COMMANDS[command]!({ spec: specs.get(name)!, expected: EXPECTED[name], name });
  });
});

describe("in a store", () => {
  /** Copied as they are, or refused for what is wrong with them. */
  const UNCOPIED: Partial<Record<OddName, RegExp>> = {
    "truncated blob": /bytes instead of/,
    "corrupt blob": /not what its digest says|damaged/,
    "wrong diffID": /content is sha256:.*the config says/,
    artifact: /is no container image/,
    "foreign layers": /./,
    "encrypted layers": /./,
  };

  test.each(NAMES)("%s is listed as it is, or refused", async (name) => {
    const { refused, layers, files, unreadable } = EXPECTED[name];
    const image = `odd/${NAMES.indexOf(name)}:1`;
    const copied = await run("copy", specs.get(name)!, `store:${image}`);
    if (copied.code !== 0) {
      const reason = UNCOPIED[name] ?? refused;
      expect(reason, copied.stderr).toBeDefined();
      expect(copied.stderr).toMatch(reason!);
      return;
    }
    for (const size of ["content", "unpacked", "disk"]) await run("images", "--size", size, "--tree");
    expect((await run("images", "--format", "{{.Repository}}:{{.Tag}}")).stdout).toContain(image);
    expect(refused).toBeUndefined();
    const [inspected] = JSON.parse((await run("inspect", image)).stdout) as { Layers: unknown[] }[];
    expect(inspected!.Layers).toHaveLength(layers!);
    const tree = await run("tree", "--depth", "all", "--format", "json", image);
    if (!isRefused(tree, unreadable)) expect(sorted(listed(tree))).toEqual(sorted(files!));
    await run("verify", image);
  });
});

describe.skipIf(toolMissing("umoci") || process.getuid?.() !== 0)("as umoci unpacks them", () => {
  const UNPACKED: readonly OddName[] = [
    ...([
      "estargz",
      "nested index",
      "no history",
      "more history than layers",
      "less history than layers",
      "empty",
    ] as const),
    ...([
      "duplicate entries",
      "whiteouts of nothing",
      "opaque directories",
      "odd names",
      "sparse file",
      "devices",
    ] as const),
    ...(["hard links across layers", "deep paths"] as const),
  ];
  test.each(UNPACKED)("%s", (name) => {
    const bundle = join(tempDir(), "bundle");
    execFileSync("umoci", ["unpack", "--image", `${specs.get(name)!.slice("oci:".length)}:odd`, bundle], {
      stdio: "pipe",
    });
    const pathOf = (file: string): string => file.slice(file.indexOf(" ") + 1);
    const expected = EXPECTED[name].files!.map(pathOf);
    expect(sorted(onDisk(join(bundle, "rootfs")).map(pathOf))).toEqual(sorted(expected));
  });
});

describe("names of strangers", () => {
  const spec = () => specs.get("odd names")!;
  const markup = /<img|<script/;

  test.each(["markdown", "html"])("are escaped in a comparison as %s", async (format) => {
    const outcome = await run("diff", "--format", format, specs.get(PLAIN)!, spec());
    expect(outcome.stdout).toMatch(/img src=x/);
    if (format === "html") expect(outcome.stdout).not.toMatch(markup);
    else expect(outcome.stdout.replaceAll(/`[^`]*`/g, "")).not.toMatch(markup);
  });

  test.each(["table", "json", "markdown", "csv"])("are harmless in waste as %s", async (format) => {
    await run("waste", "--format", format, spec());
  });

  test("are harmless in templates and by paths that do not exist", async () => {
    await run("inspect", "--format", "{{.Config.Env}} {{json .Config.Labels}} {{.Config.Cmd}}", spec());
    await run("history", "--no-trunc", "--format", "{{.CreatedBy}}", spec());
    await run("history", "--dockerfile", spec());
    // What is not UTF-8 cannot be written on a command line.
    for (const name of ODD_NAMES.slice(0, -1)) {
      await run("which", spec(), pathText(name));
      await run("cat", spec(), `${pathText(name)}/x`);
      await run("extract", spec(), pathText(`no ${name}`), join(tempDir(), "x"));
      await run("diff", "--file", pathText(name), spec(), specs.get(PLAIN)!);
    }
  });
});

test("every command that looks into images is tested with odd ones", async () => {
  const { stdout } = await nacre(["--help"]);
  const section = /^Images:\n([\s\S]*?)\n\n/m.exec(stdout)?.[1] ?? "";
  const commands = [...section.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!);
  const isOther = new Set("image images tag rm load save pull push copy search tags ratelimit login logout".split(" "));
  expect(sorted(commands.filter((name) => !isOther.has(name)))).toEqual(sorted(Object.keys(COMMANDS)));
});
