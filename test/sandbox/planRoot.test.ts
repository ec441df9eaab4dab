import { describe, expect, it } from "vitest";
import type { LayerTree } from "../../src/layer/layerTree.js";
import type { NewPath } from "../../src/sandbox/newPaths.js";
import type { RunMount } from "../../src/sandbox/types.js";
import { type Member, treeOf } from "../layer/helpers.js";
import { bind, cache, FACTS, plan, requested, secret, sourceOf, tmpfs } from "./planInput.js";

const BASE: readonly Member[] = [
  { path: "dev/" },
  { path: "proc/" },
  { path: "sys/" },
  { path: "etc/" },
  { path: "etc/hosts" },
  { path: "etc/resolv.conf" },
];

function image(...members: readonly Member[]): LayerTree {
  return treeOf([...BASE, ...members]);
}

const pathsOf = (made: readonly NewPath[]) => made.map(({ path, type }) => (type === "dir" ? `${path}/` : path));

describe("targets of mounts", () => {
  it("are followed through symlinks inside the root, dangling ones included", () => {
    const tree = image(
      { path: "data/dir/" },
      { path: "data/ldir", type: "symlink", link: "dir" },
      { path: "data/dangling", type: "symlink", link: "/nowhere/at/all" },
      { path: "data/up", type: "symlink", link: "../../../../x" },
    );
    const mounts = [tmpfs("/data/ldir"), tmpfs("/data/dangling"), tmpfs("/data/up"), tmpfs("/data/ldir/../../y")];
    const root = plan(tree, { mounts });
    // The order is that of the targets as they are written.
    expect(requested(root)).toEqual(["nowhere/at/all", "data/dir", "y", "x"]);
    expect(pathsOf(root.stubs)).toEqual(["nowhere/at/all/", "y/", "x/"]);
  });

  it("may hold bytes that are not UTF-8", () => {
    const tree = image({ path: "caf\xe9/" }, { path: "link", type: "symlink", link: "caf\xe9/new\xff" });
    const root = plan(tree, { mounts: [tmpfs("/link"), tmpfs("/caf\udce9/b"), tmpfs("/caf\u00e9")] });
    expect(requested(root)).toEqual(["caf\xc3\xa9", "caf\xe9/b", "caf\xe9/new\xff"]);
  });

  it("are refused at the root, whatever leads there", () => {
    const tree = image({ path: "l", type: "symlink", link: "/" });
    for (const target of ["/", "/a/..", "/..", "/l", "/l/.."]) {
      expect(() => plan(tree, { mounts: [tmpfs(target)] }), target).toThrow('invalid mount target "/"');
    }
  });

  it("are refused where a file and a directory would meet, both named", () => {
    const tree = image({ path: "dir/" }, { path: "file" }, { path: "l", type: "symlink", link: "file" });
    const source = treeOf([{ path: "f" }]);
    const file = bind("/dir");
    expect(() => plan(tree, { mounts: [file] }, { binds: new Map([[file, sourceOf(source, "f")]]) })).toThrow(
      'cannot mount at "/dir": a file is to be mounted where the image has a directory: "/dir" is not a file',
    );
    expect(() => plan(tree, { mounts: [tmpfs("/l")] })).toThrow('"/file" is not a directory');
    expect(() => plan(tree, { mounts: [tmpfs("/l/sub")] })).toThrow('"/l/sub" leads through "/file"');
    expect(() => plan(tree, { mounts: [secret("/dir")] })).toThrow('"/dir" is not a file');
  });

  it("are refused where symlinks go round", () => {
    const tree = image({ path: "a", type: "symlink", link: "b" }, { path: "b", type: "symlink", link: "a" });
    expect(() => plan(tree, { mounts: [tmpfs("/a/x")] })).toThrow('too many levels of symbolic links in "/a/x"');
  });

  it("are refused inside /proc and /sys, but for the files that runtimes allow", () => {
    const source = treeOf([{ path: "f" }]);
    const tree = image({ path: "l", type: "symlink", link: "/proc/self/fd" });
    const uptime = bind("/proc/uptime");
    const root = plan(tree, { mounts: [uptime] }, { binds: new Map([[uptime, sourceOf(source, "f")]]) });
    expect(requested(root)).toEqual(["proc/uptime"]);
    for (const target of [
      "/proc/x",
      "/proc/uptime",
      "/sys/x",
      "/proc/sys/../self/root/etc",
      "/l/3",
      "/dev/fd/3",
      "/dev/stdin",
    ]) {
      expect(() => plan(tree, { mounts: [tmpfs(target)] }), target).toThrow("it is inside");
    }
    for (const target of ["/proc", "/sys", "/dev", "/dev/null"]) {
      expect(() => plan(tree, { mounts: [tmpfs(target)] }), target).toThrow("is made by nacre for every step");
    }
    expect(() => plan(tree, { mounts: [tmpfs("/dev/pts/x")] })).toThrow('"/dev/pts" is read-only');
  });

  it("in /dev are made once that is mounted", () => {
    const root = plan(image(), { mounts: [tmpfs("/dev/x"), tmpfs("/dev/shm/y")] });
    expect(root.plan.mounts.filter(({ makeTarget }) => makeTarget).map(({ target }) => target)).toEqual([
      "dev/pts",
      "dev/shm",
      "dev/mqueue",
      "dev/shm/y",
      "dev/x",
    ]);
    expect(root.stubs).toEqual([]);
  });
});

describe("mounts within mounts", () => {
  const source = treeOf([{ path: "sub/" }, { path: "link", type: "symlink", link: "/data" }]);

  it("are made in the order of the targets as written, and resolved in what is mounted by then", () => {
    const tree = image({ path: "m/" }, { path: "l/k", type: "symlink", link: "/m" });
    const [outer, inner, early] = [bind("/m"), tmpfs("/m/sub"), tmpfs("/l/k/b")];
    const root = plan(tree, { mounts: [inner, outer, early] }, { binds: new Map([[outer, sourceOf(source)]]) });
    // The first one is hidden by the second, as with Docker: its mount point is made in the image's own tree.
    expect(requested(root)).toEqual(["m/b", "m", "m/sub"]);
    expect(pathsOf(root.stubs)).toEqual(["m/b/"]);
  });

  it("follow the symlinks of what is mounted, from the root", () => {
    const outer = bind("/m");
    const root = plan(
      image(),
      { mounts: [outer, tmpfs("/m/link/x")] },
      { binds: new Map([[outer, sourceOf(source)]]) },
    );
    expect(requested(root)).toEqual(["m", "data/x"]);
    expect(pathsOf(root.stubs)).toEqual(["m/", "data/x/"]);
  });

  it("are refused where what is mounted is read-only and lacks the mount point", () => {
    const outer = bind("/m");
    const mounts = [outer, tmpfs("/m/new")];
    expect(() => plan(image(), { mounts }, { binds: new Map([[outer, sourceOf(source)]]) })).toThrow(
      'cannot mount at "/m/new": there is nothing at "/m/new", and "/m" is read-only',
    );
  });

  it("get their mount points in the copy of a writable one", () => {
    const tree = treeOf([{ path: "in/here/" }]);
    const outer = bind("/m", true);
    const mounts = [outer, tmpfs("/m/here/new")];
    const root = plan(image(), { mounts }, { binds: new Map([[outer, sourceOf(tree, "in")]]) });
    expect(root.scratches.map(({ upper, paths }) => [upper, pathsOf(paths)])).toEqual([
      ["/step/copy0.upper", ["in/here/new/"]],
    ]);
    expect(root.plan.mounts[0]).toMatchObject({
      base: "step",
      target: "mount0",
      overlay: { lower: ["/store/a"], upper: "/step/copy0.upper", work: "/step/copy0.work" },
    });
    expect(root.plan.mounts.find(({ target }) => target === "m")?.source).toBe("/step/mount0/in");
  });

  it("are made by whoever mounts, on a tmpfs", () => {
    const root = plan(image(), { mounts: [tmpfs("/t"), tmpfs("/t/a/b"), secret("/t/s")] });
    expect(root.plan.mounts.find(({ target }) => target === "t/a/b")?.makeTarget).toBe("dir");
    expect(root.plan.secretFiles).toMatchObject([{ target: "t/s", makeTarget: "file" }]);
    expect(pathsOf(root.stubs)).toEqual(["t/"]);
  });

  it("are refused in a cache that other steps may change meanwhile", () => {
    const shared = [cache("/c", "shared"), tmpfs("/c/x")];
    expect(() => plan(image(), { mounts: shared })).toThrow('it lies in the cache at "/c", which other steps use');
  });

  it("of several directories are put together once, outside the root", () => {
    const [a, b] = [bind("/a"), bind("/b")];
    const stack = sourceOf(source, "sub", ["/store/x", "/store/y"]);
    const marked = { ...sourceOf(source, "", ["/store/z"]), plain: false };
    const c = bind("/c");
    const binds = new Map([
      [a, stack],
      [b, stack],
      [c, marked],
    ]);
    const root = plan(image(), { mounts: [a, b, c] }, { binds });
    const helpers = root.plan.mounts.filter(({ base }) => base === "step");
    expect(helpers.map(({ overlay }) => overlay?.lower)).toEqual([
      ["/store/x", "/store/y"],
      ["/store/z", "/step/empty"],
    ]);
    const binding = root.plan.mounts.filter(({ target }) => /^[abc]$/.test(target));
    expect(binding.map(({ source: from, options }) => [from, options])).toEqual([
      ["/step/mount0/sub", ["ro", "nodev"]],
      ["/step/mount0/sub", ["ro", "nodev"]],
      ["/step/mount1", ["ro", "nodev"]],
    ]);
  });

  it("hide secrets that were mounted below them before", () => {
    const tree = image({ path: "l", type: "symlink", link: "m" }, { path: "m/" });
    const root = plan(tree, { mounts: [secret("/l/s"), tmpfs("/m"), secret("/z"), secret("/y")] });
    expect(root.plan.secretFiles.map(({ target }) => target)).toEqual(["y", "z"]);
  });
});

describe("the standard mounts", () => {
  const targets = (root: ReturnType<typeof plan>) => root.plan.mounts.map(({ target }) => target);

  it("are Docker's, in Docker's order, and protect /proc last", () => {
    const mounts = plan(image(), { mounts: [tmpfs("/t")] }).plan.mounts;
    expect(mounts.map(({ target, type, options }) => `${target} ${type} ${options}`)).toEqual([
      "proc proc nosuid,noexec,nodev",
      "dev tmpfs nosuid,strictatime,mode=755,size=65536k,nodev",
      "dev/pts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
      "dev/shm tmpfs nosuid,noexec,nodev,mode=1777,size=67108864",
      "dev/mqueue mqueue nosuid,noexec,nodev",
      "sys sysfs ro,nosuid,noexec,nodev",
      "sys/fs/cgroup bind ro,nosuid,noexec,nodev",
      "etc/resolv.conf bind ro,nosuid,noexec,nodev",
      "etc/hosts bind ro,nosuid,noexec,nodev",
      "t tmpfs nosuid,nodev",
      "proc/sys bind rbind,ro,nosuid,noexec,nodev",
      "proc/acpi tmpfs ro,size=4k,nr_inodes=1",
      "proc/keys bind ",
    ]);
  });

  it("protect nothing in an insecure step", () => {
    const mounts = plan(image(), { insecure: true }).plan.mounts;
    expect(mounts.some(({ purpose }) => purpose === "masked" || purpose === "readonly")).toBe(false);
    expect(mounts.find(({ target }) => target === "dev")?.options).not.toContain("nodev");
    expect(mounts.find(({ target }) => target === "sys")?.options).not.toContain("ro");
  });

  it("bind the host's /sys in a user namespace, which may not mount one", () => {
    const hand = { flavour: "uabc", overlayXattrs: "user", singleId: false, devices: false, upper: "store" } as const;
    const mount = plan(image(), {}, { hand }).plan.mounts.find(({ target }) => target === "sys");
    expect(mount).toMatchObject({
      source: "/sys",
      type: "bind",
      options: ["rbind", "ro", "nosuid", "noexec", "nodev"],
    });
  });

  it("repeat in a user namespace the flags that binds of the host have", () => {
    const hand = { flavour: "uabc", overlayXattrs: "user", singleId: false, devices: false, upper: "store" } as const;
    const mounts = [{ target: "/store", options: ["rw", "nodev", "relatime"], type: "ext4" }];
    const mount = bind("/m");
    const binds = new Map([[mount, sourceOf(treeOf([{ path: "f" }]))]]);
    const root = plan(image(), { mounts: [mount] }, { hand, binds, facts: { ...FACTS, mounts } });
    expect(root.plan.mounts.find(({ target }) => target === "m")?.options).toEqual(["ro", "nodev"]);
  });

  it("get no flags in a user namespace that could not be given without locked ones", () => {
    const hand = { flavour: "uabc", overlayXattrs: "user", singleId: false, devices: false, upper: "store" } as const;
    const mount = bind("/m", true);
    const binds = new Map([[mount, sourceOf(treeOf([{ path: "f" }]))]]);
    const options = (changes: object) => {
      const { mounts } = plan(image(), { mounts: [mount] }, { binds, ...changes }).plan;
      return mounts.find(({ target }) => target === "m")?.options;
    };
    expect(options({ hand })).toEqual([]);
    expect(options({})).toEqual(["nodev"]);
  });

  it("show the hierarchies of version 1 one by one, where there are limits", () => {
    const facts = { ...FACTS, cgroups: [{ name: "cpu" }, { name: "pids" }] };
    expect(targets(plan(image(), {}, { facts })).filter((target) => target.startsWith("sys/fs"))).toEqual([]);
    const root = plan(image(), { limits: { ulimits: [], memory: 1 << 30 } }, { facts });
    expect(targets(root).filter((target) => target.startsWith("sys/"))).toEqual([
      "sys/fs/cgroup",
      "sys/fs/cgroup/cpu",
      "sys/fs/cgroup/pids",
    ]);
  });

  it("give way to the request's own of the same target", () => {
    const source = treeOf([{ path: "f" }]);
    const hosts = bind("/etc/hosts");
    const root = plan(
      image(),
      { mounts: [tmpfs("/dev/shm", 1), hosts, tmpfs("/sys/fs/cgroup")] },
      { binds: new Map([[hosts, sourceOf(source, "f")]]) },
    );
    expect(root.plan.mounts.filter(({ target }) => target === "dev/shm")).toMatchObject([
      { options: ["nosuid", "size=1", "nodev"] },
    ]);
    expect(root.plan.mounts.filter(({ target }) => target === "etc/hosts")).toMatchObject([{ source: "/store/a/f" }]);
    expect(root.plan.mounts.filter(({ target }) => target === "sys/fs/cgroup")).toMatchObject([{ type: "tmpfs" }]);
  });

  it("stay in the layer as empty directories where the image lacks them, as with Docker; hosts and resolv.conf do not", () => {
    const root = plan(treeOf([{ path: "bin/" }]), {});
    expect(pathsOf(root.kept)).toEqual(["proc/", "dev/", "sys/"]);
    expect(pathsOf(root.stubs)).toEqual(["etc/resolv.conf", "etc/hosts"]);
    expect(root.plan.lower).toEqual(["/step/stubs", "/store/root"]);
    expect(plan(image(), {}).plan.lower).toEqual(["/store/root"]);
  });

  it("refuse an image in which /proc, /dev or /sys is no directory", () => {
    for (const path of ["proc", "dev", "sys"]) {
      const link = treeOf([{ path: "data/" }, { path, type: "symlink", link: "data" }]);
      expect(() => plan(link, {}), path).toThrow(`"/${path}" of the image is a symlink, not a directory`);
      expect(() => plan(treeOf([{ path }]), {}), path).toThrow(`"/${path}" of the image is a file, not a directory`);
    }
  });
});

describe("/etc/resolv.conf and /etc/hosts", () => {
  const placeOf = (...members: readonly Member[]) => {
    const root = plan(treeOf([{ path: "dev/" }, { path: "proc/" }, { path: "sys/" }, ...members]), {});
    const [conf] = root.plan.mounts.filter(({ source }) => source === "/step/resolv.conf");
    return { target: conf?.target, stubs: pathsOf(root.stubs) };
  };

  it("are where the image's symlinks lead, there or not", () => {
    const stub = { path: "etc/resolv.conf", type: "symlink", link: "../run/systemd/resolve/stub-resolv.conf" } as const;
    expect(placeOf(stub)).toEqual({
      target: "run/systemd/resolve/stub-resolv.conf",
      stubs: ["run/systemd/resolve/stub-resolv.conf", "etc/hosts"],
    });
    expect(placeOf({ path: "data/rc" }, { ...stub, link: "/data/rc" })).toEqual({
      target: "data/rc",
      stubs: ["etc/hosts"],
    });
    expect(placeOf({ path: "etc", type: "symlink", link: "data/etc" })).toEqual({
      target: "data/etc/resolv.conf",
      stubs: ["data/etc/resolv.conf", "data/etc/hosts"],
    });
  });

  it("are refused where they cannot be, as with Docker", () => {
    expect(() => placeOf({ path: "etc/resolv.conf/" })).toThrow('"/etc/resolv.conf" is not a file');
    expect(() => placeOf({ path: "etc/hosts/" })).toThrow('"/etc/hosts" is not a file');
    expect(() => placeOf({ path: "etc" })).toThrow('leads through "/etc", which is not a directory');
    expect(() => placeOf({ path: "etc/resolv.conf", type: "symlink", link: "resolv.conf" })).toThrow("too many levels");
    expect(() => placeOf({ path: "etc/resolv.conf", type: "symlink", link: "/proc/self/fd/3" })).toThrow("inside");
  });
});

describe("the working directory", () => {
  const user = { uid: 1000, gid: 100, groups: [100], home: "/", name: undefined };
  const cwdOf = (tree: LayerTree, cwd: string, mounts: RunMount[] = [], binds = new Map()) => {
    const root = plan(tree, { cwd, mounts }, { user, binds, isDirectory: (path) => !path.includes("missing") });
    return { cwd: root.plan.process.cwd, makeCwd: root.plan.makeCwd, kept: root.kept };
  };

  it("is resolved inside the root, and made in the layer where it is missing, for the process's user", () => {
    const tree = image({ path: "data/" }, { path: "data/dangling", type: "symlink", link: "/nowhere" });
    expect(cwdOf(tree, "/data/../data/dangling/x")).toEqual({
      cwd: "/nowhere/x",
      makeCwd: undefined,
      kept: [{ path: "nowhere/x", type: "dir", uid: 1000, gid: 100 }],
    });
    expect(cwdOf(tree, "/data/")).toEqual({ cwd: "/data", makeCwd: undefined, kept: [] });
  });

  it("is a mount point's parent without becoming part of the layer", () => {
    expect(cwdOf(image(), "/run/secrets", [secret("/run/secrets/x")]).kept).toEqual([]);
    expect(cwdOf(image(), "/run/secrets/sub", [secret("/run/secrets/x")]).kept).toHaveLength(1);
  });

  it("is looked for in what is mounted", () => {
    const mount = bind("/m");
    const binds = new Map([[mount, sourceOf(treeOf([{ path: "sub/" }]))]]);
    expect(cwdOf(image(), "/m/sub", [mount], binds)).toEqual({ cwd: "/m/sub", makeCwd: undefined, kept: [] });
    expect(() => cwdOf(image(), "/m/new", [mount], binds)).toThrow('"/m" is read-only');
    expect(cwdOf(image(), "/t/new", [tmpfs("/t")])).toEqual({ cwd: "/t/new", makeCwd: "t/new", kept: [] });
    expect(cwdOf(image(), "/dev/zz").makeCwd).toBe("dev/zz");
  });

  it("is refused where it is a file", () => {
    expect(() => cwdOf(image({ path: "w" }), "/w")).toThrow(
      'the working directory "/w" cannot be used: it is not a directory',
    );
  });

  it("never leads through a process", () => {
    const tree = image({ path: "l", type: "symlink", link: "/proc/self/root" });
    for (const cwd of [
      "/proc/self/fd/7",
      "/proc/self/cwd/../..",
      "/proc/1/root",
      "/l",
      "/proc/sys/../self/cwd",
      "/dev/fd/9",
    ]) {
      expect(() => cwdOf(tree, cwd), cwd).toThrow("it leads through a process");
    }
    expect(cwdOf(tree, "/proc/sys")).toEqual({ cwd: "/proc/sys", makeCwd: undefined, kept: [] });
    expect(() => cwdOf(tree, "/sys/missing")).toThrow("it is not a directory");
  });
});

describe("the user of a plan", () => {
  it("is refused where only one id is mapped", () => {
    const hand = { flavour: "uabc", overlayXattrs: "user", singleId: true, devices: false, upper: "store" } as const;
    const user = { uid: 0, gid: 0, groups: [0, 10], home: "/", name: undefined };
    expect(() => plan(image(), {}, { hand, user })).toThrow("only one user id is mapped here");
    const { process: planned, mounts } = plan(image(), {}, { hand }).plan;
    expect(planned.uid).toBe(0);
    expect(mounts.find(({ type }) => type === "devpts")?.options).not.toContain("gid=5");
  });
});
