import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { localPlatform } from "../../src/oci/platform.js";
import { type EmulationFacts, emulationFor, readBinfmt } from "../../src/sandbox/emulation.js";
import { foreignProgram } from "../../src/sandbox/foreignProgram.js";

const made: string[] = [];

afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A directory that looks like /proc/sys/fs/binfmt_misc. */
function binfmt(entries: Readonly<Record<string, string>>, status = "enabled"): string {
  const dir = mkdtempSync(join(tmpdir(), "nacre-binfmt-"));
  made.push(dir);
  for (const [name, text] of Object.entries({ status: `${status}\n`, register: "", ...entries }))
    writeFileSync(join(dir, name), text);
  return dir;
}

/** As the kernel prints a registered emulator. */
const entry = (interpreter: string, flags: string, machine: string, state = "enabled"): string =>
  `${state}\ninterpreter ${interpreter}\nflags: ${flags}\noffset 0\n` +
  `magic 7f454c460201010000000000000000000200${machine}\nmask ffffffffffffff00fffffffffffffffffeffffff\n`;
const ARM64 = "b700";
const RISCV64 = "f300";

const linux = (architecture: string, variant?: string) => ({
  os: "linux",
  architecture,
  ...(variant ? { variant } : {}),
});
const facts = (directory: string, tried: EmulationFacts["tried"] = async () => undefined): EmulationFacts => ({
  local: linux("amd64"),
  binfmt: readBinfmt(directory),
  tried,
});
const never = async (): Promise<boolean> => false;

describe("programs of another platform", () => {
  test("run by themselves on the same architecture, whatever its variant, without anything being tried", async () => {
    const unused = async (): Promise<boolean> => {
      throw new Error("nothing was to be tried");
    };
    for (const variant of [undefined, "v3"]) {
      expect(await emulationFor(linux("amd64", variant), facts(binfmt({}), unused))).toEqual({ kind: "native" });
    }
  });

  test("run where the kernel executes a trial: as an older kind of the processor, or by an emulator", async () => {
    const yes = async (): Promise<boolean> => true;
    expect(await emulationFor(linux("386"), facts(binfmt({}), yes))).toEqual({ kind: "native" });
    const local = { ...facts(binfmt({}), yes), local: linux("arm64") };
    expect(await emulationFor(linux("arm", "v7"), local)).toEqual({ kind: "native" });
    const registered = binfmt({ "qemu-aarch64": entry("/usr/bin/qemu-aarch64-static", "OCF", ARM64) });
    const emulated = { kind: "emulated", interpreter: "/usr/bin/qemu-aarch64-static" };
    expect(await emulationFor(linux("arm64"), facts(registered, yes))).toEqual(emulated);
  });

  test("run by an emulator that the kernel holds open, where nothing can be tried", async () => {
    const registered = binfmt({ anything: entry("/opt/emulator", "POCF", ARM64) });
    expect(await emulationFor(linux("arm64"), facts(registered))).toEqual({
      kind: "emulated",
      interpreter: "/opt/emulator",
    });
    expect(await emulationFor(linux("riscv64"), facts(registered))).toEqual({
      kind: "impossible",
      registered: ["anything"],
    });
  });

  test("need the emulator in the image where the kernel only knows its path", async () => {
    const registered = binfmt({ "qemu-aarch64": entry("/usr/bin/qemu-aarch64", "OC", ARM64) });
    expect(await emulationFor(linux("arm64"), facts(registered, never))).toEqual({
      kind: "needs",
      interpreter: "/usr/bin/qemu-aarch64",
    });
  });

  test("cannot run by an emulator that is switched off, or with all of them switched off", async () => {
    const off = binfmt({
      "qemu-aarch64": entry("/q", "F", ARM64, "disabled"),
      "qemu-riscv64": entry("/q", "F", RISCV64),
    });
    expect(await emulationFor(linux("arm64"), facts(off, never))).toEqual({
      kind: "impossible",
      registered: ["qemu-riscv64"],
    });
    const all = binfmt({ "qemu-aarch64": entry("/q", "F", ARM64) }, "disabled");
    expect(await emulationFor(linux("arm64"), facts(all))).toEqual({ kind: "impossible", registered: [] });
  });

  test("may run for all that is known where the kernel's table cannot be seen and nothing can be tried", async () => {
    expect(await emulationFor(linux("arm64"), facts(join(binfmt({}), "missing")))).toEqual({ kind: "unknown" });
    expect((await emulationFor(linux("arm64"), facts(join(binfmt({}), "missing"), never))).kind).toBe("impossible");
  });

  test("of another system never run", async () => {
    expect((await emulationFor({ os: "windows", architecture: "amd64" }, facts(binfmt({})))).kind).toBe("impossible");
  });
});

test("entries that go by file name, or that cannot be understood, are left out of the table", () => {
  const dir = binfmt({
    jar: "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n",
    python: "enabled\ninterpreter /usr/bin/python3\nflags: \noffset 0\nmagic 420d0d0a\n",
    broken: "enabled\ninterpreter /x\nflags: F\noffset 0\nmagic xyz\n",
    empty: "",
    huge: entry("/x", "F", ARM64) + "x".repeat(5000),
  });
  expect(readBinfmt(dir)).toMatchObject({ readable: true, entries: [{ name: "python", fixed: false }] });
  expect(readBinfmt(join(dir, "nowhere"))).toEqual({ readable: false, entries: [] });
});

test("this machine's own trial program runs, and says so by its status alone", () => {
  const dir = binfmt({});
  mkdirSync(join(dir, "bin"));
  const path = join(dir, "bin/program");
  writeFileSync(path, foreignProgram(localPlatform().architecture)!);
  chmodSync(path, 0o755);
  expect(execFileSync(path).length).toBe(0);
});

test("trial programs are what file(1) of ELF says: class, byte order and machine", () => {
  const header = (architecture: string): string => foreignProgram(architecture)!.subarray(0, 20).toString("hex");
  expect(header("arm64")).toBe("7f454c460201010000000000000000000200b700");
  expect(header("s390x")).toBe("7f454c4602020100000000000000000000020016");
  expect(header("arm")).toBe("7f454c4601010100000000000000000002002800");
  expect(foreignProgram("wasm")).toBeUndefined();
});
