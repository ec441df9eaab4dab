/** Rows of the table of what invalidates what: a build, a change, and what the next build makes of it. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Files, put } from "../build/helpers.js";
import { requireTool } from "../setup/tools.js";
import type { Answer, Builder, Steps } from "./builders.js";

/** A row. Texts, files and flags may hold `{token}`, which is another one each time, and what {@link World.set} names. */
export interface Row {
  readonly name: string;
  /** What to copy; beside what all rows have: `token`, `f`, `g`, `d/x`, `d/sub/y`. */
  readonly files?: Files;
  /** The Dockerfile; it has a stage `box` before it, with a shell. */
  readonly before: string;
  /** Default: the same. */
  readonly after?: string;
  /** Of both builds. */
  readonly flags?: readonly string[];
  readonly flagsBefore?: readonly string[];
  readonly flagsAfter?: readonly string[];
  readonly prepare?: (world: World) => void | Promise<void>;
  /** Between the builds. */
  readonly change?: (world: World) => void | Promise<void>;
  /** What the second build makes of its steps, by the beginning of their instructions. */
  readonly expected: Readonly<Record<string, Answer>>;
  /** Steps that nacre takes from its cache and BuildKit does not, by the beginning of their instructions, and why. */
  readonly fewer?: Readonly<Record<string, string>>;
  /** Steps that Docker takes from its cache although it should not, or could not if it had all of BuildKit; and why. */
  readonly more?: Readonly<Record<string, string>>;
}

/** The stage that rows begin with. */
export const BOX = "FROM nacre-e2e-box AS box\nCOPY token /token\n";

const COMMON: Files = { token: "{token}", f: "f {token}", g: "g {token}", "d/x": "x {token}", "d/sub/y": "y {token}" };
const PROGRAMS = ["sh", "cat", "chmod", "chown", "mkdir"];

/** Where a row happens. */
export class World {
  readonly builder: Builder;
  readonly token: string;
  /** The context; may be exchanged for another directory. */
  dir: string;
  readonly #texts = new Map<string, string>();
  readonly #directories: string[] = [];
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(builder: Builder, token: string) {
    this.builder = builder;
    this.token = token;
    this.set("token", token);
    this.dir = this.directory();
    this.set("top", this.directory());
  }

  /** A new directory, removed in the end. */
  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), "nacre-e2e-"));
    this.#directories.push(directory);
    return directory;
  }

  /** Directory beside the context. */
  get top(): string {
    return this.text("{top}");
  }

  /** What `{NAME}` stands for from now on. */
  set(name: string, value: string): void {
    this.#texts.set(name, value);
  }

  text(template: string): string {
    return template.replace(/\{(\w+)\}/g, (all, name: string) => this.#texts.get(name) ?? all);
  }

  /** The other way round. */
  plain(text: string): string {
    return [...this.#texts].reduce((rest, [name, value]) => rest.replaceAll(value, `{${name}}`), text);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** A file of the context as text. */
  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  /** Writes files of the context. */
  put(files: Files): void {
    put(this.dir, this.#filled(files));
  }

  /** Writes files beside the context. */
  putBeside(files: Files): void {
    put(this.top, this.#filled(files));
  }

  #filled(files: Files): Files {
    const filled = Object.entries(files).map(([path, file]) => {
      if (typeof file === "string") return [path, this.text(file)] as const;
      return [path, "link" in file ? file : { ...file, content: this.text(file.content) }] as const;
    });
    return Object.fromEntries(filled);
  }

  /** Builds a Dockerfile given as a text. */
  async build(dockerfile: string, flags: readonly string[] = []): Promise<Steps> {
    this.putBeside({ Dockerfile: dockerfile });
    const args = flags.map((flag) => this.text(flag));
    return this.builder.build([...args, "-f", join(this.top, "Dockerfile"), this.dir]);
  }

  /** Something to be closed in the end. */
  atEnd(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async end(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  }
}

/** Gives a builder the image that rows begin with. */
export async function makeBox(builder: Builder): Promise<void> {
  const world = new World(builder, "box");
  try {
    mkdirSync(world.path("bin"));
    for (const name of PROGRAMS) copyFileSync(requireTool("busybox"), world.path(join("bin", name)));
    world.put({ "etc/passwd": "root:x:0:0::/:\n", "etc/group": "root:x:0:\n" });
    await world.build("FROM scratch\nCOPY --chmod=0755 bin /bin\nCOPY etc /etc\n", ["-t", "nacre-e2e-box"]);
  } finally {
    await world.end();
  }
}

/** Does what a row says. @returns what the second build did, with `{token}` where the token was */
export async function runRow(row: Row, builder: Builder): Promise<Steps> {
  const token = Math.random().toString(36).slice(2).padEnd(11, "0");
  const world = new World(builder, token);
  try {
    world.put(COMMON);
    world.put(row.files ?? {});
    await row.prepare?.(world);
    const flags = row.flags ?? [];
    await world.build(BOX + row.before, [...flags, ...(row.flagsBefore ?? [])]);
    await row.change?.(world);
    const steps = await world.build(BOX + (row.after ?? row.before), [...flags, ...(row.flagsAfter ?? [])]);
    const named = Object.entries(steps).map(([label, answer]) => [world.plain(label), answer] as const);
    return Object.fromEntries(named);
  } finally {
    await world.end();
  }
}

/** A line that stands before a RUN and, in another stage, before a COPY. */
export function both(before: string, after = before): Pick<Row, "before" | "after"> {
  const text = (line: string): string =>
    `FROM box AS run\n${line}\nRUN echo run\nFROM box AS copy\n${line}\nCOPY f /f\n` +
    "FROM box\nCOPY --from=run /token /1\nCOPY --from=copy /token /2\n";
  return { before: text(before), after: text(after) };
}

/** What becomes of the RUN and the COPY of {@link both}. What is copied from the two stages stays the same. */
export function expecting(run: Answer, copy: Answer): Row["expected"] {
  return { "RUN echo run": run, "COPY f /f": copy, "COPY --from=run": "cached", "COPY --from=copy": "cached" };
}

/** The instruction of a label. */
export function instructionOf(label: string): string {
  return label.replace(/^\[.*?\] /, "");
}
