/** A world for hostile RUN steps: a store, images to start from, and a look at what is left when a build is over. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { mountsBelow, settled } from "../build/killing.js";
import { nacre, type Outcome, type RunSettings } from "../cli/invocation.js";
import { findTool, requireTool, toolMissing } from "../setup/tools.js";
import { dir, file, hardlink, layer, symlink } from "./layers.js";
import { dockerArchive, freshDirectory } from "./world.js";

/** True where these tests cannot run. */
export const cannotRun =
  process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some((tool) => toolMissing(tool));

/** The levels of isolation that mount, as far as this machine has them. */
export const LEVELS: readonly string[] = ["namespaces", ...(findTool("crun") || findTool("runc") ? ["oci"] : [])];

/** A layer with busybox under all its names, accounts, and the directories that every root has. */
function boxLayer(): Buffer {
  const busybox = fs.readFileSync(requireTool("busybox")).toString("latin1");
  const names = spawnSync(requireTool("busybox"), ["--list"], { encoding: "utf8" }).stdout.split("\n");
  return layer(
    ...["bin", "etc", "root", "tmp", "dev", "proc", "sys"].map(dir),
    file("bin/busybox", busybox, { mode: 0o755 }),
    ...names.filter((name) => name !== "" && name !== "busybox").map((name) => hardlink(`bin/${name}`, "bin/busybox")),
    file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
    file("etc/group", "root:x:0:\napp:x:1000:\nextra:x:2000:app\n"),
    dir("usr"),
    dir("usr/bin"),
    symlink("usr/bin/env", "/bin/busybox"),
  );
}

/** A build's outcome, all that was printed as one text. */
export interface Built extends Outcome {
  readonly text: string;
}

/** How a build is started. */
export interface BuildSettings extends RunSettings {
  readonly level?: string;
  readonly args?: readonly string[];
}

/** See the top of this file. */
export class RunWorld {
  readonly root = freshDirectory();
  readonly context = join(this.root, "context");
  readonly store = join(this.root, "store");
  readonly env = { NACRE_HOME: this.store };
  #count = 0;

  constructor() {
    fs.mkdirSync(this.context);
  }

  /** Loads busybox's root as `box:1`, and further layers over it under other names. */
  async load(name = "box:1", ...layers: readonly Buffer[]): Promise<void> {
    const archive = join(this.root, `image${this.#count++}`);
    this.#box ??= boxLayer();
    fs.writeFileSync(archive, dockerArchive([this.#box, ...layers], name));
    const { code, stderr } = await nacre(["load", archive], { env: this.env });
    fs.rmSync(archive);
    expect(code, stderr).toBe(0);
  }
  #box: Buffer | undefined;

  /** Loads an image that consists of these layers alone. */
  async loadBare(name: string, ...layers: readonly Buffer[]): Promise<void> {
    const archive = join(this.root, `image${this.#count++}`);
    fs.writeFileSync(archive, dockerArchive(layers, name));
    const { code, stderr } = await nacre(["load", archive], { env: this.env });
    expect(code, stderr).toBe(0);
  }

  /** Builds a Dockerfile given as text. However it ends, nothing of it is left. */
  async build(dockerfile: string, settings: BuildSettings = {}): Promise<Built> {
    const built = await this.start(dockerfile, settings);
    await this.expectNothingLeft();
    return built;
  }

  /** As {@link build}, while others may still be building. */
  async start(
    dockerfile: string,
    { level = "namespaces", args = [], ...settings }: BuildSettings = {},
  ): Promise<Built> {
    const path = join(this.root, `Dockerfile${this.#count++}`);
    fs.writeFileSync(path, dockerfile);
    const argv = ["build", "--progress=plain", "--isolation", level, "-f", path, ...args, this.context];
    const outcome = await nacre(argv, { ...settings, env: { ...this.env, ...settings.env } });
    const text = outcome.stdout + outcome.stderr;
    if (settings.env?.NACRE_DEBUG === undefined) expectPlain(outcome.code, text);
    return { ...outcome, text };
  }

  /** Builds what must succeed. @returns what its steps wrote, line by line, without numbers and times */
  async run(dockerfile: string, settings: BuildSettings = {}): Promise<string[]> {
    const { code, text } = await this.build(dockerfile, settings);
    expect(code, text).toBe(0);
    return stepOutput(text);
  }

  /** Builds what must fail. @returns the message and the hint */
  async fail(
    dockerfile: string,
    settings: BuildSettings = {},
  ): Promise<{ message: string; hint: string; text: string }> {
    const { code, text } = await this.build(dockerfile, settings);
    expect(code, text).toBe(1);
    return { message: /^ERROR: (.*)$/m.exec(text)?.[1] ?? "", hint: /^hint: (.*)$/m.exec(text)?.[1] ?? "", text };
  }

  /** No mount, no process, no control group, and nothing half-made in the store. */
  async expectNothingLeft(): Promise<void> {
    expect(await settled(this.root, 5000)).toEqual([]);
    expect(mountsBelow(this.root)).toEqual([]);
    // Notes of layers that are still on their way to the disk stay for a while.
    const half = fs.readdirSync(join(this.store, "tmp")).filter((name) => !name.startsWith("u."));
    expect(half).toEqual([]);
    expect(ownGroups()).toEqual([]);
  }

  /** Fails unless the store is sound. */
  async expectSound(): Promise<void> {
    const { code, stdout, stderr } = await nacre(["check"], { env: this.env });
    expect(code, stdout + stderr).toBe(0);
  }
}

/** What the steps wrote, from a plain log. */
export function stepOutput(text: string): string[] {
  return text.split("\n").flatMap((line) => /^#\d+ \d+\.\d{3} (.*)$/.exec(line)?.[1] ?? []);
}

/** A failure is told in words: no stack, no bug, and a hint. */
export function expectPlain(code: number | null, text: string): void {
  expect(text).not.toMatch(/internal error|TypeError|RangeError|\[object|\n\s+at .*:\d+:\d+/);
  expect([0, 1, 2], text).toContain(code);
  if (code !== 0) expect(text).toMatch(/^ERROR: .+\n(?:.*\n)*?hint: .+$/m);
}

/** Control groups that this process has made and not removed. */
function ownGroups(): string[] {
  const group = `nacre-`;
  const roots = ["/sys/fs/cgroup", ...listed("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)];
  const own = fs
    .readFileSync("/proc/self/cgroup", "latin1")
    .split("\n")
    .map((line) => line.split(":")[2] ?? "");
  const places = new Set(roots.flatMap((root) => own.map((path) => join(root, path))));
  return [...places].flatMap((place) =>
    listed(place)
      .filter((name) => name.startsWith(group) && name.includes(`-${process.pid}-`))
      .map((name) => join(place, name)),
  );
}

function listed(path: string): string[] {
  try {
    return fs.readdirSync(path);
  } catch {
    return [];
  }
}

/** Words for use in a Dockerfile's heredoc or RUN, one line each, joined by `;`. */
export const lines = (...words: readonly string[]): string => words.join("; ");
