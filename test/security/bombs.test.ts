/** Archives that are made to exhaust time, memory or disk. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { tarOf } from "../archive/images.js";
import { nacre } from "../cli/invocation.js";
import { pax } from "../tar/craft.js";
import { emptyFiles, file, header, layer, symlink } from "./layers.js";
import { bringIn, freshDirectory } from "./world.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

describe("refused with a limit that is named", () => {
  const nested = "a/".repeat(2000);
  test.each([
    ["a path ten thousand directories deep", layer(pax(["path", `${"a/".repeat(10_000)}f`]), file("x"))],
    ["a path that is short enough but too deep", layer(pax(["path", `${nested}f`]), file("x"))],
    ["a PAX record of two mebibytes", layer(pax(["comment", "x".repeat(2 << 20)]), file("x"))],
  ])("%s", async (_, hostile) => {
    for (const way of ["oci tar", "rootfs", "ADD"] as const) {
      expect((await bringIn(way, [hostile])).refused).toMatch(/the limit is|too long|ERROR: .*limit/);
    }
  });

  test("a file of terabytes that is not there", async () => {
    const hostile = layer(header({ name: "f", size: `${"7".repeat(11)}\0` }));
    for (const way of ["oci tar", "rootfs", "ADD"] as const) {
      expect((await bringIn(way, [hostile])).refused).toMatch(/ends within|cut short|TAR|bad tar/);
    }
  });
});

test.runIf(existsSync("/proc/self/status"))("a layer of many entries takes little memory for each", async () => {
  const root = freshDirectory();
  const names = Array.from({ length: 200_000 }, (_, i) => `d${i % 100}/some-file-name-${i}`);
  writeFileSync(join(root, "many.tar"), layer(emptyFiles(names)));
  const args = ["--max-old-space-size=256", cli, "load", "-q", "--rootfs", "-t", "many:1", join(root, "many.tar")];
  const child = spawn(process.execPath, args, { env: { ...process.env, NACRE_HOME: join(root, "store") } });
  let peak = 0;
  const watch = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  }, 20);
  const code = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(watch);
  expect(code).toBe(0);
  expect(peak / 1024).toBeGreaterThan(40);
  expect(peak / 1024).toBeLessThan(400);
});

test("symlinks that multiply are followed a limited number of times", async () => {
  // Each name stands for two of the one before: 2^60 steps, were they all taken.
  const links = Array.from({ length: 60 }, (_, i) => symlink(`l${i + 1}`, `l${i}/../l${i}`));
  const { refused } = await bringIn("oci tar", [layer(symlink("l0", "."), ...links, file("l60/f", "x"))]);
  expect(refused).toMatch(/symlinks in a loop/);
  const base = [layer(symlink("l0", "."), ...links, symlink("d", "l60"), symlink("etc", "l60"))];
  expect((await bringIn("oci tar", base)).files).toContain("d -> l60");
});

test("an index of twenty thousand images is read or refused, not followed for ever", async () => {
  const root = freshDirectory();
  const env = { NACRE_HOME: join(root, "store") };
  const manifests = Array.from({ length: 20_000 }, (_, i) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${i.toString(16).padStart(64, "0")}`,
    size: 1,
  }));
  const archive = tarOf([
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { path: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests }) },
  ]);
  writeFileSync(join(root, "index.tar"), archive);
  const result = await nacre(["load", join(root, "index.tar")], { env });
  expect([1, 2]).toContain(result.code);
  expect(result.stderr.length).toBeLessThan(2000);
  expect(result.stderr).not.toContain("internal error");
});
