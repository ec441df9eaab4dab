/** Which isolation level is chosen where, and what is said about the others. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { chooseSandbox, detectIsolation, findingOf } from "../../src/sandbox/detect.js";
import { gatherFacts } from "../../src/sandbox/probeFacts.js";
import { TRIAL_CODES, whyNoRoot, whyNoUserNamespace, whySingleId } from "../../src/sandbox/probeReasons.js";
import { findPrograms, searchPath } from "../../src/sandbox/probeTools.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { canMount, openStore, tempDirectory } from "../store/helpers.js";
import { runHere } from "./worlds.js";

const missing = !canMount() || toolMissing("unshare") || toolMissing("setpriv") || toolMissing("tar");
const noRanges = missing || toolMissing("newuidmap");

/** A folder with links to programs of the system, without some. */
function pathWithout(...names: readonly string[]): string {
  const folder = tempDirectory();
  fs.chmodSync(folder, 0o755);
  for (const name of ["unshare", "setpriv", "mount", "umount", "sh", "tar", "mknod", "rm", "mkdir", "newuidmap"]) {
    const program = findTool(name);
    if (program && !names.includes(name)) fs.symlinkSync(program, path.join(folder, name));
  }
  return folder;
}

describe.skipIf(missing)("as root", () => {
  it("all but the OCI runtime works without a worker, and nothing is lost", async () => {
    const store = await openStore();
    const choice = await chooseSandbox({ store, isolation: "namespaces" });
    expect(choice).toMatchObject({ level: "namespaces", losses: [], rootless: false, place: { kind: "process" } });
    expect(choice.hand).toEqual({
      ...{ flavour: "root", overlayXattrs: "trusted", singleId: false, devices: true, upper: "store" },
    });
    expect(choice.warnings).toEqual([]);
    expect(await chooseSandbox({ store, isolation: "chroot" })).toMatchObject({ level: "chroot", losses: [] });
  });

  it("nothing is left behind by trying", async () => {
    const store = await openStore();
    const mounts = fs.readFileSync("/proc/self/mountinfo", "latin1");
    await detectIsolation({ store });
    expect(fs.readdirSync(store.directory.at("tmp"))).toEqual([]);
    expect(fs.readFileSync("/proc/self/mountinfo", "latin1")).toBe(mounts);
  });

  it("what was found is kept until a program changes, and is found again if the file is damaged", async () => {
    const store = await openStore();
    const path = pathWithout();
    await chooseSandbox({ store, isolation: "auto", path });
    const [name] = fs.readdirSync(store.directory.at("stat"));
    const file = store.directory.at("stat", name!);
    const seen = () => fs.statSync(file).ino;
    const first = seen();
    await chooseSandbox({ store, isolation: "auto", path });
    expect(seen()).toBe(first);
    await chooseSandbox({ store, isolation: "auto", path, fresh: true });
    expect(seen()).not.toBe(first);

    fs.writeFileSync(file, fs.readFileSync(file).subarray(0, 100));
    expect(await chooseSandbox({ store, isolation: "namespaces", path })).toMatchObject({ level: "namespaces" });
    expect(fs.statSync(file).size).toBeGreaterThan(100);

    fs.rmSync(`${path}/mknod`);
    fs.rmSync(`${path}/tar`);
    await expect(chooseSandbox({ store, isolation: "namespaces", path })).rejects.toMatchObject({
      code: "ISOLATION",
      message: "the isolation level namespaces does not work here: tar is not installed",
    });
    expect(fs.readdirSync(store.directory.at("stat"))).toHaveLength(2);
  });

  it("a level that does not work is not replaced by another one", async () => {
    const store = await openStore();
    const path = pathWithout("setpriv");
    await expect(chooseSandbox({ store, isolation: "namespaces", path })).rejects.toMatchObject({ code: "ISOLATION" });
    expect(await chooseSandbox({ store, isolation: "auto", path })).toMatchObject({ level: "chroot" });
  });

  it("on an overlay, which can hold neither upper directories nor whiteouts, chroot is left", () => {
    const { choice, findings } = runHere("root on an overlay", tempDirectory(), { isolation: "auto", findings: true });
    expect(choice).toMatchObject({ level: "chroot", losses: [], place: { kind: "process" } });
    expect(findings?.namespaces).toMatchObject({ works: false, why: expect.stringContaining("this disk (overlay)") });
  });

  it("without the right to mount only chroot is left, and the reasons are given", () => {
    const { choice, findings } = runHere("root without mounts", tempDirectory(), { isolation: "auto", findings: true });
    expect(choice).toMatchObject({ level: "chroot", losses: [], place: { kind: "process" } });
    expect(findings?.namespaces).toMatchObject({ works: false, why: expect.stringContaining("not permitted") });
    const { error } = runHere("root without mounts", tempDirectory(), { isolation: "namespaces" });
    expect(error).toMatchObject({ code: "ISOLATION", hint: expect.stringContaining("--cap-add SYS_ADMIN") });
  });
});

describe.skipIf(noRanges)("as an ordinary user", () => {
  it("with ranges of ids, a worker in a user namespace keeps owners", () => {
    const directory = tempDirectory();
    const { choice, findings } = runHere("user", directory, { isolation: "namespaces", findings: true });
    expect(findings).toMatchObject({ namespaces: { works: true }, chroot: { works: true } });
    expect(choice).toMatchObject({ level: "namespaces", losses: ["devices"], rootless: true, ids: [65537, 65537] });
    expect(choice?.hand).toMatchObject({ overlayXattrs: "user", singleId: false, devices: false, upper: "store" });
    expect(choice?.hand.flavour).toMatch(/^u[0-9a-f]{12}$/);
    expect(fs.readdirSync(`${directory}/store/tmp`)).toEqual([]);
  });

  it("without ranges there is a single id, a warning, and another world of files", () => {
    const full = runHere("user", tempDirectory(), { isolation: "namespaces" }).choice;
    const { choice } = runHere("single user", tempDirectory(), { isolation: "namespaces" });
    expect(choice).toMatchObject({ losses: ["devices", "owners"], rootless: true, ids: [1, 1] });
    expect(choice?.warnings).toEqual([
      { rule: "SingleUserId", message: expect.stringMatching(/no range for \w+ in \/etc\/subuid; as root: usermod/) },
    ]);
    expect(choice?.hand.flavour).not.toBe(full?.hand.flavour);
  });

  it("without newuidmap there is a single id, and the package is named", () => {
    const { choice } = runHere("user", tempDirectory(), { isolation: "namespaces", path: pathWithout("newuidmap") });
    expect(choice).toMatchObject({ losses: ["devices", "owners"] });
    expect(choice?.warnings[0]?.message).toContain("newuidmap is not installed; install newuidmap (Debian: uidmap)");
  });

  it("where user namespaces are switched off nothing works, and the setting is named", () => {
    const { error } = runHere("user without namespaces", tempDirectory(), { isolation: "auto" });
    expect(error).toMatchObject({
      name: "NacreError",
      code: "ISOLATION",
      message: "RUN cannot be executed here: user namespaces are switched off: user.max_user_namespaces=0",
      hint: "as root: sysctl -w user.max_user_namespaces=10000",
    });
  });
});

describe("reasons", () => {
  const facts = { ...gatherFacts(searchPath(undefined)), uid: 1000, names: ["ann", "1000"], settings: {} };
  const because = (settings: Record<string, string>) => whyNoUserNamespace("unshare: failed", { ...facts, settings });

  it("name the kernel's settings", () => {
    expect(because({ "kernel/unprivileged_userns_clone": "0" }).why).toContain("kernel.unprivileged_userns_clone=0");
    const apparmor = { "kernel/apparmor_restrict_unprivileged_userns": "1" };
    expect(because(apparmor).why).toContain("kernel.apparmor_restrict_unprivileged_userns=1");
    const refused = { code: TRIAL_CODES.overlay, stderr: "mount: x: permission denied." };
    expect(whyNoRoot(refused, "ext4", { ...facts, settings: apparmor }).why).toContain("AppArmor");
    expect(because({}).why).toBe("a user namespace cannot be made: unshare: failed");
  });

  it("tell a disk that cannot hold an upper directory from a refused mount", () => {
    const bad = { code: TRIAL_CODES.overlay, stderr: "mount: wrong fs type, bad option, bad superblock on overlay" };
    expect(whyNoRoot(bad, "nfs4", facts).why).toBe("overlayfs refuses an upper directory on this disk (nfs4)");
    const refused = { code: TRIAL_CODES.overlay, stderr: "mount: /x: permission denied.\n  dmesg(1) may have more" };
    expect(whyNoRoot(refused, "ext4", facts).why).toBe("mounting is not allowed: mount: /x: permission denied.");
  });

  it("say which of the two range files lacks the user", () => {
    const programs = new Map(facts.programs);
    for (const name of ["newuidmap", "newgidmap"] as const) programs.set(name, { path: `/${name}`, stamp: "" });
    const subuids = [{ start: 1, count: 2 }];
    expect(whySingleId({ ...facts, programs, subuids, subgids: [] }).why).toBe(
      "there is no range for ann in /etc/subgid",
    );
  });

  it("are free of what a terminal would obey", () => {
    expect(whyNoUserNamespace("un\u001b[31mshare\u0007: x\n", facts).why).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe("programs", () => {
  it("are found in absolute folders only", () => {
    expect(searchPath("bin::/opt/x:./y").split(":")).toEqual(["/opt/x", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    const folder = tempDirectory();
    fs.writeFileSync(`${folder}/unshare`, "");
    fs.mkdirSync(`${folder}/tar`);
    expect(findPrograms(folder).size).toBe(0);
    fs.chmodSync(`${folder}/unshare`, 0o755);
    expect([...findPrograms(folder).keys()]).toEqual(["unshare"]);
  });
});

describe.skipIf(missing)("what is known of a level", () => {
  it("comes from the place where it works, else from the best place", async () => {
    const detection = await detectIsolation({ store: await openStore() });
    expect(findingOf("namespaces", detection)).toEqual({ works: true });
    expect(execFileSync("mount").toString()).not.toContain("nacre-store-");
  });
});
