import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ImageLayer } from "../../src/image/image.js";
import { lookup, pathOf, walkTree } from "../../src/layer/fileTree.js";
import { CacheMounts } from "../../src/sandbox/cacheMounts.js";
import { type OverlayRunEnv, prepareOverlayRun } from "../../src/sandbox/overlayRun.js";
import type { PreparedRun, RunMount, RunRequest } from "../../src/sandbox/types.js";
import { Store } from "../../src/store/store.js";
import { type Member, tarOf } from "../layer/helpers.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { mountExecutor } from "./mountExecutor.js";
import { type OpenSnapshots, putLayers, ROOT, snapshotsOf, temporary } from "./overlay.js";
import { cache, requestOf, tmpfs } from "./planInput.js";

const unable = process.getuid?.() !== 0 || toolMissing("unshare") || toolMissing("busybox");

let store: Store;
let base: ImageLayer[];
let opened: OpenSnapshots;
const runs: PreparedRun[] = [];

function busybox(): Member[] {
  const content = fs.readFileSync(requireTool("busybox")).toString("latin1");
  const names = "sh cat ls id pwd env find stat touch mkdir rm chmod readlink grep sort".split(" ");
  const links = names.map((name): Member => ({ path: `bin/${name}`, type: "symlink", link: "busybox" }));
  return [{ path: "bin/" }, { path: "bin/busybox", mode: 0o755, content }, ...links];
}

describe.skipIf(unable)("a request on an overlay", () => {
  let storePath: string;
  beforeAll(async () => {
    storePath = join(temporary(), "store");
    store = await Store.open(storePath);
    const tar = tarOf([
      ...busybox(),
      { path: "etc/", mode: 0o755, mtime: 1_000_000 },
      { path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n" },
      { path: "data/", mode: 0o750, uid: 5, gid: 6, mtime: 2_000_000 },
      { path: "data/file", content: "mine" },
      { path: "data/link", type: "symlink", link: "/data/dir" },
      { path: "data/dir/", mtime: 3_000_000 },
    ]);
    base = await putLayers(store, [tar]);
  }, 30_000);
  beforeEach(() => {
    opened = snapshotsOf(store);
  });
  afterEach(async () => {
    await Promise.all(runs.map((run) => run.release()));
    runs.length = 0;
    opened.close();
    expect(fs.readdirSync(join(storePath, "tmp"))).toEqual([]);
  });
  afterAll(() => store?.close());

  function env(changes: Partial<OverlayRunEnv> = {}): OverlayRunEnv {
    const { snapshots, open, lease } = opened;
    const warn = (rule: string, message: string) => expect.unreachable(`${rule}: ${message}`);
    const caches = new CacheMounts(store, lease, ROOT, async () => {});
    const events = { warn };
    return { store, lease, layers: open, snapshots, hand: ROOT, executor: mountExecutor, events, caches, ...changes };
  }

  async function run(command: string, request: Partial<RunRequest> = {}, changes: Partial<OverlayRunEnv> = {}) {
    const args = ["/bin/sh", "-c", command];
    const prepared = await prepareOverlayRun(
      requestOf({ root: base, args, env: ["PATH=/bin"], ...request }),
      env(changes),
    );
    runs.push(prepared);
    const chunks: Buffer[] = [];
    const exit = await prepared.execute({ kind: "log", onOutput: (chunk) => chunks.push(chunk) });
    return { prepared, exit, output: Buffer.concat(chunks).toString("utf8") };
  }

  /** Everything in the layer that is not in the base. */
  async function pathsOfLayer(prepared: PreparedRun): Promise<string[]> {
    const { diffId } = await prepared.collect();
    const tree = await opened.open.tree([{ diffId, descriptor: { mediaType: "", digest: diffId, size: 0 } }]);
    const paths: string[] = [];
    walkTree(tree, tree.root, (node) => {
      if (node !== tree.root) paths.push(pathOf(node));
      return undefined;
    });
    return paths;
  }

  const bindOf = (target: string, path: string, layers: readonly ImageLayer[] = base, writable = false): RunMount => ({
    type: "bind",
    target,
    source: { layers, path },
    writable,
  });

  it("sees hosts, resolv.conf and its script, and leaves none of them in the layer", async () => {
    const { prepared, exit, output } = await run(
      "cat /etc/hosts; cat /etc/resolv.conf >/dev/null && ls -l /dev/pipes",
      {
        script: { name: "EOF", content: "#!/bin/sh\n" },
        hosts: [{ name: "foo", ip: "1.2.3.4" }],
      },
    );
    expect(output).toContain("1.2.3.4\tfoo\n");
    expect(output).toMatch(/-rwxr-xr-x.* EOF\n/);
    expect(exit).toEqual({ kind: "code", code: 0 });
    // As with Docker /proc and /sys stay; /dev is cleaned up with what was mounted in it.
    expect(await pathsOfLayer(prepared)).toEqual(["proc", "sys"]);
  });

  it("sees existing parents of mount points unchanged, and leaves no trace of them", async () => {
    const { prepared, output } = await run("stat -c '%n %a %u:%g %Y' / /etc /data /data/dir; ls -A /run /run/secrets", {
      mounts: [tmpfs("/data/new"), tmpfs("/data/link/x"), tmpfs("/run/secrets/a")],
    });
    expect(output.split("\n").slice(1, 4)).toEqual([
      "/etc 755 0:0 1000000",
      "/data 750 5:6 2000000",
      "/data/dir 755 0:0 3000000",
    ]);
    expect(output).toContain("/run/secrets:\na\n");
    expect(await pathsOfLayer(prepared)).toEqual(["dev", "proc", "sys"]);
  });

  it("keeps a parent of a mount point if something else is put there", async () => {
    const { prepared } = await run("touch /run/mine; touch /run/secrets/a/lost; chmod 700 /run/secrets", {
      mounts: [tmpfs("/run/secrets/a")],
    });
    expect(await pathsOfLayer(prepared)).toEqual(["dev", "proc", "run", "run/mine", "sys"]);
  });

  it("binds one layer, several, a file, and a private writable copy of which nothing is kept", async () => {
    const more = await putLayers(store, [tarOf([{ path: "data/.wh.file" }, { path: "data/extra", content: "more" }])]);
    const { output, exit } = await run(
      "cat /one/file /f; echo; ls /two; echo x >/rw/file; cat /rw/file; (echo x >/one/file) 2>&1; ls /alone",
      {
        mounts: [
          bindOf("/one", "/data/"),
          bindOf("/f", "data/link/../file"),
          bindOf("/two", "/data", [...base, ...more]),
          bindOf("/rw", "/data", base, true),
          bindOf("/alone", "/data", more),
          tmpfs("/rw/sub"),
        ],
      },
    );
    expect(output).toContain("minemine\n");
    expect(output).toContain("dir\nextra\nlink\nx\n");
    expect(output).toContain("can't create /one/file: Read-only file system");
    // A whiteout of the only layer must not be seen as a file.
    expect(output).toMatch(/system\nextra\n$/);
    expect(exit).toEqual({ kind: "code", code: 0 });
    const { output: again } = await run("cat /data/file /one/file", { mounts: [bindOf("/one", "/data")] });
    expect(again).toBe("minemine");
  });

  it("names what a missing source was near to", async () => {
    await expect(run("true", { mounts: [bindOf("/m", "/data/fiel")] })).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
      message: '"/data/fiel": not found',
      hint: "did you mean file?",
    });
  });

  it("makes the working directory for its user, as part of the layer", async () => {
    const { prepared, output } = await run("pwd; stat -c '%a %u:%g' . ..; echo $HOME", { cwd: "/w/a", user: "ann" });
    expect(output).toBe("/w/a\n755 1000:100\n755 1000:100\n/home/ann\n");
    expect(await pathsOfLayer(prepared)).toEqual(["dev", "proc", "sys", "w", "w/a"]);
    const { output: elsewhere } = await run("pwd", { cwd: "/t/x", mounts: [tmpfs("/t")] });
    expect(elsewhere).toBe("/t/x\n");
  });

  it("mounts within a cache, where the cache's own symlinks lead, and keeps everybody else out meanwhile", async () => {
    const mounts = [cache("/c", "shared")];
    await run("mkdir /c/real; echo kept >/c/real/file; ln -s /c/real /c/link; ln -s /data/dir /c/out", { mounts });
    for (const made of runs.splice(0)) await made.release();
    const nested = [...mounts, tmpfs("/c/link/new"), tmpfs("/c/out/there")];
    const { output } = await run(
      "touch /c/real/new/gone; cat /c/real/file; grep -o ' /c/real/new \\| /data/dir/there ' /proc/self/mountinfo",
      {
        mounts: nested,
      },
    );
    expect(output).toContain("kept\n");
    expect(output).toContain(" /c/real/new \n");
    expect(output).toContain(" /data/dir/there \n");
  });

  it("can be executed again in the same root, with other arguments", async () => {
    const { prepared } = await run("echo 1 >/kept; exit 3");
    const chunks: Buffer[] = [];
    const io = { kind: "log", onOutput: (chunk: Buffer) => chunks.push(chunk) } as const;
    expect(await prepared.execute(io, { args: ["/bin/cat", "/kept"] })).toEqual({ kind: "code", code: 0 });
    expect(Buffer.concat(chunks).toString()).toBe("1\n");
  });

  it("becomes the snapshot of its layer, over which the next one runs", async () => {
    const { prepared } = await run("echo first >/a; rm /data/file");
    const { diffId, size } = await prepared.collect();
    await prepared.release();
    const layer = { diffId, descriptor: { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size } };
    const { output } = await run("cat /a; ls /data", { root: [...base, layer] });
    expect(output).toBe("first\ndir\nlink\n");
  });

  it("runs on an image without any layer", async () => {
    const source = await putLayers(store, [tarOf(busybox())]);
    const { output } = await run("ls / | sort", { root: [], mounts: [bindOf("/bin", "/bin", source)] });
    expect(output).toBe("bin\ndev\netc\nproc\nsys\n");
  });

  it("keeps its upper directory on a tmpfs where the store's disk cannot hold one", async () => {
    const elsewhere = temporary();
    const { prepared } = await run("echo x >/made", {}, { hand: { ...ROOT, upper: { tmpfs: elsewhere } } });
    expect(fs.readdirSync(elsewhere)).toHaveLength(1);
    expect(await pathsOfLayer(prepared)).toEqual(["dev", "made", "proc", "sys"]);
    await prepared.release();
    expect(fs.readdirSync(elsewhere)).toEqual([]);
  });

  it("is refused where overlays cannot be mounted, or nobody of that name is known; nothing is left then", async () => {
    await expect(run("true", {}, { hand: { ...ROOT, upper: undefined } })).rejects.toMatchObject({ code: "ISOLATION" });
    await expect(run("true", { user: "nobody" })).rejects.toMatchObject({ code: "USER_NOT_FOUND" });
    await expect(run("true", { mounts: [tmpfs("/data/file")] })).rejects.toMatchObject({ code: "MOUNT" });
  });

  it("ends what runs when it is released", async () => {
    const prepared = await prepareOverlayRun(
      requestOf({ root: base, args: ["/bin/sh", "-c", "cat /dev/zero >/dev/null"] }),
      env(),
    );
    const running = prepared.execute({ kind: "log", onOutput: () => {} });
    const ended = expect(running).rejects.toThrow();
    await prepared.release();
    await ended;
    await expect(prepared.execute({ kind: "log", onOutput: () => {} })).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("has no secret and no content of one anywhere on disk", async () => {
    const content = Buffer.from("canary-7f3a");
    const mount: RunMount = { type: "secret", target: "/run/secrets/s", content, mode: 0o400, uid: 0, gid: 0 };
    const { prepared } = await run("true", { mounts: [mount], secretEnv: new Map([["TOKEN", "canary-7f3a"]]) });
    const step = fs.readdirSync(join(storePath, "tmp"))[0]!;
    const files = fs.readdirSync(join(storePath, "tmp", step), { recursive: true, withFileTypes: true });
    const contents = files
      .filter((file) => file.isFile())
      .map((file) => fs.readFileSync(join(file.parentPath, file.name), "latin1"));
    expect(contents.join()).not.toContain("canary");
    expect(await pathsOfLayer(prepared)).toEqual(["dev", "proc", "sys"]);
    expect(lookup(await opened.open.tree(base), "run")).toBeUndefined();
  });
});
