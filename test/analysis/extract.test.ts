/** Taking files out of images that were made to do harm, into directories that were prepared for it. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { extractFiles, extractToTar, withImage } from "../../src/analysis/analysis.js";
import type { ExtractOptions, ExtractReport } from "../../src/analysis/extractTypes.js";
import { type Member, SOME_LAYERS, tarOf, tempDir } from "../archive/images.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";

const isRoot = process.getuid?.() === 0;
const layoutOf = (layers: readonly (readonly Member[])[]): string =>
  `oci:${writeLayout(makeImage({ layers }), "v1")}:v1`;

function extract(
  layers: readonly (readonly Member[])[],
  destination: string,
  path = "/",
  options: ExtractOptions = {},
): Promise<ExtractReport> {
  return withImage(layoutOf(layers), { env: {} }, {}, (image) => extractFiles(image, path, destination, options));
}

/** A directory beside the destination that nothing may touch, and what tells if something did. */
function bystander(): { readonly path: string; readonly destination: string; readonly state: () => string } {
  const root = tempDir();
  const path = join(root, "H");
  mkdirSync(path);
  writeFileSync(join(path, "secret"), "do not touch", { mode: 0o640 });
  mkdirSync(join(path, "sub"), 0o750);
  const state = (): string => {
    const lines: string[] = [];
    const walk = (here: string): void => {
      const { mode, uid, gid, size, mtimeMs, ctimeMs, nlink, ino } = lstatSync(here);
      const content = lstatSync(here).isFile() ? readFileSync(here, "utf8") : "";
      lines.push([here, mode, uid, gid, size, mtimeMs, ctimeMs, nlink, ino, content].join(" "));
      if (lstatSync(here).isDirectory()) for (const name of readdirSync(here).sort()) walk(join(here, name));
    };
    walk(path);
    return lines.join("\n");
  };
  return { path, destination: join(root, "out"), state };
}

/** Every name below a directory with what it is. */
function namesIn(directory: string, base = ""): string[] {
  return readdirSync(join(directory, base))
    .sort()
    .flatMap((name) => {
      const path = join(base, name);
      const stat = lstatSync(join(directory, path));
      if (stat.isDirectory()) return [`${path}/`, ...namesIn(directory, path)];
      return [stat.isSymbolicLink() ? `${path} -> ${readlinkSync(join(directory, path))}` : path];
    });
}

describe("nothing outside of the destination is touched", () => {
  const deep = (end: string, count: number): Member[] =>
    Array.from(
      { length: count },
      (_, at): Member => ({ path: `l${at}`, type: "symlink", link: at === 0 ? end : `l${at - 1}` }),
    );

  test.each<[string, (H: string) => readonly (readonly Member[])[]]>([
    [
      "by names with ..",
      () => [
        [
          { path: "../H/secret", content: "x" },
          { path: "a/../../H/new", content: "x" },
          { path: "a/b/../../../H/sub/new", content: "x" },
        ],
      ],
    ],
    [
      "by absolute names",
      (H) => [
        [
          { path: `${H}/secret`, content: "x" },
          { path: `/${H}/new`, content: "x" },
        ],
      ],
    ],
    [
      "through a symlink and a file below it, in one layer",
      (H) => [
        [
          { path: "d", type: "symlink", link: H },
          { path: "d/secret", content: "x" },
        ],
      ],
    ],
    [
      "through a symlink that a lower layer brings",
      (H) => [
        [{ path: "d", type: "symlink", link: H }],
        [
          { path: "d/secret", content: "x" },
          { path: "d/.wh.sub", content: "" },
        ],
      ],
    ],
    [
      "through a relative symlink",
      () => [
        [
          { path: "d", type: "symlink", link: "../H" },
          { path: "d/new", content: "x" },
        ],
      ],
    ],
    ["through a long chain of symlinks", (H) => [[...deep(H, 40), { path: "l39/new", content: "x" }]]],
    [
      "through a symlink in the place of a directory",
      (H) => [[{ path: "d/secret", content: "x" }], [{ path: "d", type: "symlink", link: H }]],
    ],
    [
      "by a hard link to an absolute name",
      (H) => [
        [
          { path: "l", type: "hardlink", link: `${H}/secret` },
          { path: "l", content: "x" },
        ],
      ],
    ],
    ["by a hard link with ..", () => [[{ path: "l", type: "hardlink", link: "../H/secret" }]]],
    [
      "by a hard link through a symlink",
      (H) => [
        [
          { path: "d", type: "symlink", link: H },
          { path: "l", type: "hardlink", link: "d/secret" },
        ],
      ],
    ],
    [
      "by a hard link to a symlink",
      (H) => [
        [
          { path: "s", type: "symlink", link: `${H}/secret` },
          { path: "l", type: "hardlink", link: "s" },
        ],
        [{ path: "l", content: "x" }],
      ],
    ],
    [
      "by whiteouts",
      () => [
        [{ path: "a", content: "" }],
        [
          { path: "../.wh.H", content: "" },
          { path: "../H/.wh..wh..opq", content: "" },
          { path: ".wh.a", content: "" },
        ],
      ],
    ],
    [
      "by a mode, owner or time for what a symlink leads to",
      (H) => [[{ path: "d", type: "symlink", link: H, mode: 0o777, uid: 5, mtime: 1 }]],
    ],
  ])("%s", async (_, layers) => {
    const { path, destination, state } = bystander();
    const before = state();
    await extract(layers(path), destination, "/", { preserve: true, devices: isRoot }).catch(
      (error: { code?: string }) => {
        expect(error.code).toMatch(/^(TAR_INVALID|CONTENT_INVALID|OUTPUT|SOURCE_NOT_FOUND)$/);
      },
    );
    await extract(layers(path), destination, "/", { overwrite: "replace", preserve: true }).catch(() => {});
    expect(state()).toBe(before);
  });

  test.each(["refuse", "keep", "replace"] as const)(
    "through symlinks that lie in the destination (%s)",
    async (overwrite) => {
      const { path, destination, state } = bystander();
      mkdirSync(destination);
      symlinkSync(path, join(destination, "etc"));
      symlinkSync(join(path, "secret"), join(destination, "file"));
      const before = state();
      const layers = [
        [
          { path: "etc/secret", content: "x" },
          { path: "file", content: "y" },
        ],
      ];
      const work = extract(layers, destination, "/", { overwrite });
      if (overwrite === "replace") {
        await work;
        expect(namesIn(destination)).toEqual(["etc/", "etc/secret", "file"]);
      } else {
        await expect(work).rejects.toMatchObject({ code: "OUTPUT" });
        expect(lstatSync(join(destination, "etc")).isSymbolicLink()).toBe(true);
      }
      expect(state()).toBe(before);
    },
  );

  test("through a hard link in the destination to a file elsewhere", async () => {
    const { path, destination, state } = bystander();
    mkdirSync(destination);
    linkSync(join(path, "secret"), join(destination, "file"));
    const before = state().replace(/ \d+(\.\d+)? 2 /, " _ ");
    await extract([[{ path: "file", content: "y", mode: 0o777 }]], destination, "/", { overwrite: "replace" });
    expect(readFileSync(join(path, "secret"), "utf8")).toBe("do not touch");
    expect(statSync(join(path, "secret")).mode & 0o777).toBe(0o640);
    expect(before).toContain("do not touch");
  });

  test("while another process keeps exchanging a directory for a symlink", async () => {
    const { path, destination, state } = bystander();
    mkdirSync(join(destination, "d"), { recursive: true });
    const before = state();
    const script = `
      const fs = require("node:fs"); const [dir, H] = process.argv.slice(1);
      process.on("message", () => process.exit()); process.send(0);
      (function turn() {
        for (let at = 0; at < 100; at++) {
          try { fs.renameSync(dir, dir + "~"); fs.symlinkSync(H, dir); } catch {}
          try { fs.unlinkSync(dir); } catch {}
          try { fs.renameSync(dir + "~", dir); } catch {}
        }
        setImmediate(turn);
      })();`;
    const child = spawn(process.execPath, ["-e", script, join(destination, "d"), path], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    await new Promise((resolve) => child.once("message", resolve));
    // The other directory makes this one be opened anew for each file.
    const members = Array.from({ length: 150 }, (_, at): Member[] => [
      { path: `d/new${at}`, content: "x" },
      { path: `e/${at}`, content: "x" },
    ]).flat();
    const layout = layoutOf([
      [...members, { path: "d/secret", content: "x" }, { path: "d/last", type: "hardlink", link: "d/secret" }],
    ]);
    const codes = new Set<string | undefined>();
    for (let round = 0; round < 6; round++) {
      await withImage(layout, { env: {} }, {}, (image) =>
        extractFiles(image, "/", destination, { overwrite: "replace" }),
      ).catch((error: { code?: string }) => codes.add(error.code));
    }
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.send(0);
    await ended;
    expect(state()).toBe(before);
    expect([...codes].filter((code) => code !== "OUTPUT")).toEqual([]);
  });
});

describe("files are taken out", () => {
  test.skipIf(!isRoot || toolMissing("tar"))("as a tar and as a directory alike, as GNU tar unpacks them", async () => {
    const [direct, tar] = [join(tempDir(), "direct"), join(tempDir(), "all.tar")];
    const unpacked = tempDir();
    await extract(SOME_LAYERS, direct, "/", { preserve: true });
    await withImage(layoutOf(SOME_LAYERS), { env: {} }, {}, (image) =>
      extractToTar(image, "/", { kind: "path", path: tar }),
    );
    execFileSync("tar", ["-xpf", tar, "-C", unpacked, "--same-owner"]);
    const facts = (root: string): string[] => {
      const lines: string[] = [];
      const walk = (path: Buffer): void => {
        for (const name of readdirSync(path, { encoding: "buffer" })) {
          const here = Buffer.concat([path, Buffer.from("/"), name]);
          const stat = lstatSync(here);
          const content = stat.isFile()
            ? readFileSync(here).toString("latin1")
            : stat.isSymbolicLink()
              ? readlinkSync(here)
              : "";
          const nlink = stat.isDirectory() ? 0 : stat.nlink;
          lines.push(
            [
              here.subarray(root.length).toString("latin1"),
              stat.mode,
              stat.uid,
              stat.gid,
              nlink,
              stat.mtimeMs,
              content,
            ].join(" "),
          );
          if (stat.isDirectory()) walk(here);
        }
      };
      walk(Buffer.from(root));
      return lines.sort();
    };
    expect(facts(direct)).toEqual(facts(unpacked));
    expect(facts(direct).some((line) => line.startsWith("/home/caf\xe9 "))).toBe(true);
  });

  test("without setuid bits, devices and pipes unless they are asked for", async () => {
    const members: Member[] = [
      { path: "su", content: "x", mode: 0o6755 },
      { path: "dir", type: "dir", mode: 0o3777 },
      { path: "null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
      { path: "pipe", type: "fifo", mode: 0o600 },
    ];
    const [plain, kept] = [join(tempDir(), "plain"), join(tempDir(), "kept")];
    const report = await extract([members], plain);
    expect(namesIn(plain)).toEqual(["dir/", "su"]);
    expect([statSync(join(plain, "su")).mode & 0o7777, statSync(join(plain, "dir")).mode & 0o7777]).toEqual([
      0o755, 0o1777,
    ]);
    expect(report.leftOut).toEqual([
      { path: "/null", why: "device" },
      { path: "/pipe", why: "pipe" },
    ]);
    await extract([members], kept, "/", { preserve: true });
    expect(statSync(join(kept, "su")).mode & 0o7777).toBe(0o6755);
    if (!isRoot) return;
    const devices = join(tempDir(), "devices");
    const made = await extract([members], devices, "/", { devices: true }).catch((error: Error) => error.message);
    // Containers may not make devices.
    if (typeof made === "string") expect(made).toMatch(/mknod|not permitted/i);
    else
      expect(lstatSync(join(devices, "null")).isCharacterDevice() && lstatSync(join(devices, "pipe")).isFIFO()).toBe(
        true,
      );
  });

  test("onto nothing that is there, unless it is to be kept or replaced", async () => {
    const layers = [
      [
        { path: "a", content: "new" },
        { path: "b", content: "new" },
        { path: "h", type: "hardlink", link: "a" },
        { path: "s", type: "symlink", link: "x" },
      ],
    ] as const;
    const make = (): string => {
      const directory = tempDir();
      writeFileSync(join(directory, "a"), "old");
      symlinkSync("old", join(directory, "s"));
      return directory;
    };
    const [refused, kept, replaced] = [make(), make(), make()];
    await expect(extract(layers, refused)).rejects.toMatchObject({
      code: "OUTPUT",
      hint: expect.stringContaining("--force"),
    });
    expect(readFileSync(join(refused, "a"), "utf8")).toBe("old");
    const report = await extract(layers, kept, "/", { overwrite: "keep" });
    expect(["a", "b", "h"].map((name) => readFileSync(join(kept, name), "utf8"))).toEqual(["old", "new", "new"]);
    expect(readlinkSync(join(kept, "s"))).toBe("old");
    expect(report.leftOut.map(({ path }) => path)).toEqual(["/a", "/s"]);
    await extract(layers, replaced, "/", { overwrite: "replace" });
    expect(["a", "b", "h"].map((name) => readFileSync(join(replaced, name), "utf8"))).toEqual(["new", "new", "new"]);
    expect(statSync(join(replaced, "a")).ino).toBe(statSync(join(replaced, "h")).ino);
    expect(readlinkSync(join(replaced, "s"))).toBe("x");
    expect(readdirSync(replaced).filter((name) => name.startsWith(".nacre"))).toEqual([]);
  });

  test("one by one: under a new name, into a directory, following symlinks inside the image", async () => {
    const layers = [
      [
        { path: "usr/lib/rel", content: "r" },
        { path: "etc/rel", type: "symlink", link: "/usr/lib/rel" },
      ],
    ] as const;
    const directory = tempDir();
    await extract(layers, join(directory, "renamed"), "/usr/lib/rel");
    await extract(layers, directory, "/etc/rel");
    await extract(layers, `${join(directory, "made")}/`, "etc/rel");
    expect(namesIn(directory)).toEqual(["made/", "made/rel", "rel", "renamed"]);
    await extract(layers, join(directory, "lib"), "/usr");
    expect(namesIn(join(directory, "lib"))).toEqual(["lib/", "lib/rel"]);
    await expect(extract(layers, join(directory, "no/such/dir"), "/usr/lib/rel")).rejects.toMatchObject({
      code: "OUTPUT",
    });
  });

  test("of one layer, and of the layers up to one", async () => {
    const layers = [
      [
        { path: "a", content: "1" },
        { path: "d/x", content: "1" },
      ],
      [{ path: ".wh.a" }, { path: "d/y", content: "2" }, { path: "h", type: "hardlink", link: "d/x" }],
    ] as const;
    const [own, lower] = [join(tempDir(), "own"), join(tempDir(), "lower")];
    await extract(layers, own, "/", { layer: 1 });
    await extract(layers, lower, "/", { upTo: 0 });
    expect([namesIn(own), namesIn(lower)]).toEqual([
      ["d/", "d/y", "h"],
      ["a", "d/", "d/x"],
    ]);
    expect(readFileSync(join(own, "h"), "utf8")).toBe("1");
  });

  test("whole or not at all: of a damaged layer no piece of a file stays", async () => {
    const image = makeImage({ layers: [[{ path: "a", content: Buffer.alloc(500_000, "abc") }]], compression: "none" });
    const layout = writeLayout(image, "v1");
    const directory = join(tempDir(), "out");
    await expect(
      withImage(`oci:${layout}:v1`, { env: {} }, {}, async (opened) => {
        await opened.layers[0]!.index();
        const blob = join(layout, "blobs/sha256", image.layers[0]!.digest.slice(7));
        const bytes = tarOf([{ path: "a", content: Buffer.alloc(500_000, "abd") }]);
        chmodSync(blob, 0o644);
        writeFileSync(blob, bytes);
        return extractFiles(opened, "/", directory);
      }),
    ).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    expect(existsSync(directory)).toBe(false);
  });

  test("with duplicates, reserved names and odd ones as a container has them", async () => {
    const layers: Member[][] = [
      [
        { path: "twice", content: "first" },
        { path: "twice", content: "second" },
        { path: "f", content: "x" },
        { path: "f", type: "dir" },
        { path: "f/in", content: "y" },
        { path: ".wh..wh.plnk", type: "dir" },
        { path: "back\\slash..\\x", content: "z" },
        { path: "\x1b[31mred\n", content: "c" },
      ],
    ];
    const directory = join(tempDir(), "out");
    await extract(layers, directory);
    expect(namesIn(directory)).toEqual(["\x1b[31mred\n", "back\\slash..\\x", "f/", "f/in", "twice"]);
    expect(readFileSync(join(directory, "twice"), "utf8")).toBe("second");
  });

  test("but not a hard link that leads to nothing, which is told", async () => {
    const directory = join(tempDir(), "out");
    const report = await extract(
      [
        [
          { path: "l", type: "hardlink", link: "nowhere" },
          { path: "a", content: "" },
        ],
      ],
      directory,
    );
    expect(report).toMatchObject({ files: 1, leftOut: [{ path: "/l", why: "broken-link" }] });
  });
});
