import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeOciConfig, type OciFacts, ociConfig } from "../../src/sandbox/ociConfig.js";
import { ociExit } from "../../src/sandbox/ociExit.js";
import { parseOciReport } from "../../src/sandbox/ociScript.js";
import type { PlannedMount, PlannedProcess, RootPlan } from "../../src/sandbox/rootPlan.js";
import { seccompProfile } from "../../src/sandbox/seccomp.js";

const ALL = (1n << 41n) - 1n;

const FACTS: OciFacts = {
  root: "/step/merged",
  secrets: "/step/oci/private/secrets",
  sys: "/step/oci/private/sys",
  devices: [],
  capabilities: ALL,
  ulimits: [],
  arch: "x64",
  terminal: false,
};

describe("the configuration of an OCI runtime", () => {
  it("gives Docker's fourteen capabilities, none of them inheritable or ambient", () => {
    const { capabilities } = ociConfig(plan(), FACTS).process;
    expect(capabilities.bounding).toHaveLength(14);
    expect(capabilities.bounding).not.toContain("CAP_SYS_ADMIN");
    expect(capabilities).toMatchObject({ inheritable: [], ambient: [] });
    expect(capabilities.effective).toEqual(capabilities.bounding);
  });

  it("gives an insecure step everything that the hand has, and no more", () => {
    const insecure = ociConfig(plan({ insecure: true }), FACTS);
    expect(insecure.process.capabilities.bounding).toHaveLength(41);
    expect(insecure.linux.seccomp).toBeUndefined();
    const fewer = ociConfig(plan({ insecure: true }), { ...FACTS, capabilities: 0b101n });
    expect(fewer.process.capabilities.bounding).toEqual(["CAP_CHOWN", "CAP_DAC_READ_SEARCH"]);
  });

  it("has a network namespace only where the step has no network", () => {
    const types = (network: "host" | "none") => ociConfig(plan({ network }), FACTS).linux.namespaces.map((n) => n.type);
    expect(types("host")).toEqual(["pid", "ipc", "uts", "mount"]);
    expect(types("none")).toEqual(["pid", "ipc", "uts", "mount", "network"]);
  });

  it("leaves masking and protecting to the runtime, and helper mounts to the shell around it", () => {
    const overlay = { lower: ["/a", "/b"], upper: undefined, work: undefined };
    const config = ociConfig(
      plan({}, [
        { source: "overlay", target: "bind.0", base: "step", type: "overlay", options: [], overlay },
        { source: "/dev/null", target: "proc/kcore", type: "bind", options: [], purpose: "masked" },
        { source: "/step/merged/proc/sys", target: "proc/sys", type: "bind", options: ["ro"], purpose: "readonly" },
        { source: "/step/bind.0/sub", target: "src", type: "bind", options: ["ro"] },
      ]),
      FACTS,
    );
    expect(config.linux).toMatchObject({ maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"] });
    expect(config.mounts).toEqual([
      { destination: "/src", type: "bind", source: "/step/bind.0/sub", options: ["bind", "ro"] },
    ]);
  });

  it("takes what lies in /sys from beside the groups that the runtime is shown, nothing else", () => {
    const bind = (source: string): PlannedMount => ({ source, target: "t", type: "bind", options: ["rbind", "ro"] });
    const { mounts } = ociConfig(plan({}, [bind("/sys"), bind("/sys/fs/cgroup/cpu"), bind("/system")]), FACTS);
    const own = "/step/oci/private/sys";
    expect(mounts.map((mount) => mount.source)).toEqual([own, `${own}/fs/cgroup/cpu`, "/system"]);
    expect(mounts[0]!.options).toEqual(["rbind", "ro"]);
  });

  it("writes limits that are greater than a double holds", () => {
    const text = encodeOciConfig(ociConfig(plan(), { ...FACTS, ulimits: ["--core=0:unlimited"] }));
    expect(text).toContain('"rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}]');
  });

  it("is JSON that carries every argument and variable unchanged", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), fc.array(text), (args, env) => {
        const { process } = JSON.parse(encodeOciConfig(ociConfig(plan({ args, env }), FACTS)));
        expect(process.args).toEqual(args);
        expect(process.env).toEqual([...env, "TOKEN=s3cret"]);
      }),
    );
  });

  it("has secret variables last, but for a HOME that was added", () => {
    const env = ["A=1", "HOME=/root"];
    const added = ociConfig(plan({ env, addsHome: true }), FACTS).process.env;
    expect(added).toEqual(["A=1", "TOKEN=s3cret", "HOME=/root"]);
    expect(ociConfig(plan({ env }), FACTS).process.env).toEqual(["A=1", "HOME=/root", "TOKEN=s3cret"]);
  });

  it.each([
    ["an argument", plan({ args: ["\udcff"] })],
    ["a variable", plan({ env: ["A=\udcff"] })],
    ["a mount's target", plan({}, [{ source: "/x", target: "\xff", type: "bind", options: [] }])],
  ])("is refused where %s is not UTF-8", (_, bad) => {
    expect(() => ociConfig(bad, FACTS)).toThrow(/is not UTF-8/);
  });
});

describe("the filter of system calls", () => {
  it("names no call twice without an argument, and none that every program needs", () => {
    const rules = seccompProfile("x64")!.syscalls;
    const whole = rules.filter((rule) => rule.args === undefined).flatMap((rule) => rule.names);
    expect(new Set(whole).size).toBe(whole.length);
    for (const name of ["clone", "execve", "chroot", "mknod", "setuid", "socket", "ptrace"]) {
      expect(whole).not.toContain(name);
    }
    expect(rules.find((rule) => rule.names.includes("clone3"))).toMatchObject({ errnoRet: 38 });
  });

  it("covers the 32-bit calls of a 64-bit machine, and leaves unknown machines without", () => {
    expect(seccompProfile("x64")!.architectures).toContain("SCMP_ARCH_X86");
    expect(seccompProfile("mips")).toBeUndefined();
  });
});

describe("what a runtime has said", () => {
  const end = (report: string, code = 0) => ({ report: parseOciReport(report), code });
  const error = (msg: string) => `${JSON.stringify({ level: "error", msg })}\n`;

  it.each([
    ["code 7\n", { kind: "code", code: 7 }],
    ["status 1792\n", { kind: "code", code: 7 }],
    ["status 9\n", { kind: "code", code: 137 }],
    [`code 0\n${JSON.stringify({ level: "warning", msg: "x" })}\n`, { kind: "code", code: 0 }],
    [
      `code 1\n${error("exec container process `/x`: Exec format error")}`,
      { kind: "unstartable", code: 126, message: 'exec: "/x": exec format error' },
    ],
    [
      `${error('runc run failed: unable to start container process: exec: "/x": stat /x: no such file or directory')}`,
      { kind: "unstartable", code: 127, message: 'exec: "/x": no such file or directory' },
    ],
    [
      `code 1\n${error("chdir `/secret`: Permission denied")}`,
      { kind: "unstartable", code: 126, message: "the working directory /secret cannot be entered: permission denied" },
    ],
  ])("%j", (report, exit) => {
    expect(ociExit(end(report), "/x", "crun")).toEqual(exit);
  });

  it.each([
    ["ISOLATION", end("mount: /x: permission denied.\n", 91)],
    ["MOUNT", end(`${error("runc run failed: error mounting x to rootfs")}`)],
    ["DISK_FULL", end(`code 1\n${error("mkdir: No space left on device")}`)],
    ["ISOLATION", end("", 1)],
  ])("is an error with the code %s", (code, ended) => {
    expect(() => ociExit(ended, "/x", "crun")).toThrow(expect.objectContaining({ code }));
  });
});

function plan(changes: Partial<PlannedProcess> = {}, mounts: readonly PlannedMount[] = []): RootPlan {
  const process: PlannedProcess = {
    args: ["/bin/true"],
    env: ["PATH=/bin"],
    secretEnv: new Map([["TOKEN", "s3cret"]]),
    cwd: "/",
    uid: 0,
    gid: 0,
    groups: [0],
    hostname: "box",
    network: "host",
    insecure: false,
    limits: { ulimits: [] },
    ...changes,
  };
  return { dir: "/step", lower: ["/l"], mounts, secretFiles: [], makeCwd: undefined, process, shmSize: 0 };
}
