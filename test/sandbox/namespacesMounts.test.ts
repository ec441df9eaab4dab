import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlannedMount } from "../../src/sandbox/rootPlan.js";
import { toolMissing } from "../setup/tools.js";
import { StepBench } from "./steps.js";

const unable = process.getuid?.() !== 0 || toolMissing("busybox") || toolMissing("unshare");

describe.skipIf(unable)("the mounts of a step in namespaces", () => {
  let bench: StepBench;
  beforeAll(() => {
    // All that separates fields and options, in every path.
    bench = new StepBench("a b,c:d#e\\f\"g'h\nü=i-");
  });
  afterAll(() => bench.remove());

  /** A directory of the host with files. */
  const source = (name: string, files: Readonly<Record<string, string>>): string => {
    const directory = join(bench.directory, name);
    for (const [file, content] of Object.entries(files)) {
      fs.mkdirSync(join(directory, file, ".."), { recursive: true });
      fs.writeFileSync(join(directory, file), content);
    }
    return directory;
  };
  const latin1 = (text: string) => Buffer.from(text).toString("latin1");
  const bind = (from: string, target: string, more: Partial<PlannedMount> = {}): PlannedMount => ({
    ...{ source: latin1(from), target: latin1(target), type: "bind", options: ["ro"] },
    ...more,
  });
  const tmpfs = (target: string): PlannedMount => ({ source: "tmpfs", target, type: "tmpfs", options: ["nosuid"] });
  const quoted = (path: string) => `'/${path.replaceAll("'", "'\\''")}'`;

  it.each([
    "plain",
    "with blank\tand tab",
    "comma,colon:hash#",
    "quote\"apostrophe'",
    "new\nline",
    "back\\slash\\040",
    "ü€",
    "trailing ",
  ])("are made at %j, files and directories", async (name) => {
    const stubs = source("stubs", { [`t/${name}`]: "" });
    fs.mkdirSync(join(stubs, "t", `${name}.d`), { recursive: true });
    const from = source("from", { [`${name}/x`]: "content" });
    const file = join(from, name, "x");
    const mounts = [bind(file, `t/${name}`), bind(join(from, name), `t/${name}.d`)];
    const line = `cat ${quoted(`t/${name}`)} ${quoted(`t/${name}.d/x`)}; echo no >${quoted(`t/${name}`)} || echo read-only`;
    const output = await bench.shell(line, { mounts, lower: [stubs, bench.lower] });
    expect(output).toContain("contentcontent");
    expect(output).toContain("read-only");
  });

  it("are made at names that are not UTF-8, and within a tmpfs without any mount point", async () => {
    const file = join(source("bytes", { x: "found" }), "x");
    const target = "tmp/deep \xff/\\012\xe9";
    const mounts = [tmpfs("tmp"), { ...bind(file, ""), target, makeTarget: "file" as const }];
    const line = `cat "/tmp/deep $(printf '\\377')/"*; stat -c %a "/tmp/deep $(printf '\\377')"`;
    expect(await bench.shell(line, { mounts })).toBe("found755\n");
  });

  it("are made in their order, later ones over earlier ones, the same source many times", async () => {
    const one = source("one", { a: "1", "sub/b": "1" });
    const two = source("two", { a: "2" });
    const mounts = [bind(one, "tmp"), bind(two, "tmp/sub"), bind(two, "root"), bind(one, "root"), bind(one, "etc")];
    expect(await bench.shell("cat /tmp/a /tmp/sub/a /root/a /etc/a; ls /root", { mounts })).toBe("1211a\nsub\n");
  });

  it("take what they need within a tmpfs of the step, but make nothing where others could be at work", async () => {
    const from = source("inside", { x: "x" });
    const mounts = [tmpfs("tmp"), bind(from, "tmp/a/b", { makeTarget: "dir" })];
    expect(await bench.shell("cat /tmp/a/b/x; stat -c %a /tmp/a", { mounts })).toBe("x755\n");
    const shared = source("shared", { x: "" });
    const refused = [bind(shared, "tmp", { options: [] }), bind(from, "tmp/a", { makeTarget: "dir" })];
    await expect(bench.shell("true", { mounts: refused })).rejects.toMatchObject({ code: "MOUNT" });
    expect(fs.readdirSync(shared)).toEqual(["x"]);
  });

  it("do not follow a symlink that stands in the way of what has to be made", async () => {
    const outside = source("outside", { x: "" });
    const trap = source("trap", { x: "" });
    fs.symlinkSync(outside, join(trap, "link"));
    fs.symlinkSync("/x", join(trap, "file"));
    for (const path of ["link/made/secret", "link/secret", "file"]) {
      const secret = { target: `tmp/${path}`, makeTarget: "file" as const, content: Buffer.from("s") };
      const secretFiles = [{ ...secret, mode: 0o400, uid: 0, gid: 0 }];
      const plan = bench.plan(["/bin/true"], { mounts: [bind(trap, "tmp", { options: [] })], secretFiles });
      await expect(bench.execute(plan)).rejects.toMatchObject({ code: "ISOLATION" });
      expect(fs.readdirSync(outside)).toEqual(["x"]);
      expect(fs.readdirSync(trap).sort()).toEqual(["file", "link", "x"]);
    }
  });

  it("hold secrets, whose content is on no disk, with their owners and modes", async () => {
    const content = Buffer.from(Array.from({ length: 500 << 10 }, (_, i) => (i * 7) % 256));
    const stubs = source("secretStubs", { "run/secrets/one": "", "run/secrets/empty": "" });
    const secretFiles = [
      { target: "run/secrets/one", content, mode: 0o440, uid: 33, gid: 44 },
      { target: "run/secrets/empty", content: Buffer.alloc(0), mode: 0o400, uid: 0, gid: 0 },
      { target: "tmp/x/two", makeTarget: "file" as const, content: Buffer.from("two"), mode: 0o604, uid: 0, gid: 0 },
    ];
    const line =
      "cd /run/secrets; md5sum <one; stat -c '%a %u %g %s' one empty /tmp/x/two; cat /tmp/x/two; echo x >one || echo read-only; ls -A /run/secrets | wc -l";
    const output = await bench.shell(line, { mounts: [tmpfs("tmp")], secretFiles, lower: [stubs, bench.lower] });
    const { createHash } = await import("node:crypto");
    expect(output).toContain(createHash("md5").update(content).digest("hex"));
    expect(output).toContain("440 33 44 512000\n400 0 0 0\n604 0 0 3\ntwo");
    expect(output).toContain("read-only");
  });

  it("bring overlays beside the root from which others are bound, read-only or with writes that vanish", async () => {
    const low = source("low", { "d/a": "low", "d/b": "low" });
    const high = source("high", { "d/b": "high" });
    const plan = bench.plan([
      "/bin/sh",
      "-c",
      "cat /tmp/a /tmp/b /root/b; echo new >/root/b; cat /root/b; rm /root/a; echo x >/tmp/c || echo read-only",
    ]);
    for (const name of ["mount0", "mount1", "copy0.upper", "copy0.work"]) fs.mkdirSync(join(plan.dir, name));
    const helper = (target: string, upper?: string, work?: string): PlannedMount => ({
      ...{ source: "overlay", target, base: "step", type: "overlay", options: upper ? ["volatile"] : ["ro"] },
      overlay: { lower: [high, low], upper, work },
    });
    const helpers = [helper("mount0"), helper("mount1", join(plan.dir, "copy0.upper"), join(plan.dir, "copy0.work"))];
    const binds = [bind(join(plan.dir, "mount0/d"), "tmp"), bind(join(plan.dir, "mount1/d"), "root", { options: [] })];
    const full = { ...plan, mounts: [...helpers, ...plan.mounts, ...binds] };
    for (let times = 0; times < 2; times++) {
      fs.rmSync(join(plan.dir, "copy0.upper"), { recursive: true });
      fs.mkdirSync(join(plan.dir, "copy0.upper"));
      const { output, exit } = await bench.execute(full);
      expect(exit).toEqual({ kind: "code", code: 0 });
      expect(output).toContain("lowhighhighnew\n");
      expect(output).toContain("read-only");
    }
    expect(fs.readFileSync(join(high, "d/b"), "utf8")).toBe("high");
    expect(fs.readdirSync(join(plan.dir, "upper"))).toEqual([]);
  });

  it("put 200 layers together", async () => {
    const layers = Array.from({ length: 200 }, (_, i) => source(`layer${i}`, { [`n${i}`]: "" }));
    expect(await bench.shell("ls /n* | wc -l", { lower: [...layers, bench.lower] })).toBe("200\n");
  });

  it("make the working directory on a tmpfs, with its parents, for its user", async () => {
    const changes = {
      mounts: [tmpfs("tmp")],
      makeCwd: "tmp/a b/c",
      process: { cwd: "/tmp/a b/c", uid: 5, gid: 6, groups: [6] },
    };
    expect(await bench.shell("pwd; stat -c '%a %u %g' . ..", changes)).toBe("/tmp/a b/c\n755 5 6\n755 5 6\n");
  });

  it("that fail are named, and nothing is run", async () => {
    const plan = bench.plan(["/bin/sh", "-c", "echo ran >/ran"], { mounts: [bind("/no/such/place", "tmp")] });
    await expect(bench.execute(plan)).rejects.toMatchObject({
      code: "MOUNT",
      message: expect.stringContaining("cannot mount /tmp"),
    });
    expect(fs.readdirSync(join(plan.dir, "upper"))).toEqual([]);
    expect(fs.readdirSync(plan.dir).sort()).toEqual(["merged", "upper", "work"]);
    const bad = bench.plan(["/bin/true"], {
      mounts: [{ source: "x", target: "tmp", type: "tmpfs", options: ["nonsense"] }],
    });
    await expect(bench.execute(bad)).rejects.toMatchObject({ code: "MOUNT" });
    const none = bench.plan(["/bin/true"], { lower: ["/no/such/layer"] });
    await expect(bench.execute(none)).rejects.toMatchObject({
      code: "ISOLATION",
      message: expect.stringContaining("the step's root"),
    });
  });
});
