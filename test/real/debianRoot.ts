/** A Debian bookworm root as a tar, the base of the Dockerfiles in testdata/real. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../setup/nacre.js";
import { findTool, requireTool } from "../setup/tools.js";

/** A ready tar, if `NACRE_SOAK_ROOTFS` names one. */
const given = process.env.NACRE_SOAK_ROOTFS;

/** True if a root is there or can be made here: that takes root, debootstrap and the network. */
export const hasDebianRoot = given !== undefined || (process.getuid?.() === 0 && findTool("debootstrap") !== undefined);

/**
 * Path of the tar; it is made if none is given.
 * @param scratch folder for it
 * @throws Error with the output of the tool that failed
 */
export async function debianRoot(scratch: string): Promise<string> {
  if (given !== undefined) return given;
  const folder = join(scratch, "rootfs");
  const tar = join(scratch, "rootfs.tar");
  await must([requireTool("debootstrap"), "--variant=minbase", "bookworm", folder]);
  for (const emptied of ["var/cache/apt", "var/lib/apt/lists", "dev", "proc", "sys"]) {
    rmSync(join(folder, emptied), { recursive: true, force: true });
    mkdirSync(join(folder, emptied));
  }
  await must([requireTool("tar"), "-C", folder, "--numeric-owner", "--xattrs", "-cf", tar, "."]);
  rmSync(folder, { recursive: true, force: true });
  return tar;
}

async function must(argv: readonly string[]): Promise<void> {
  const { code, output } = await run(argv);
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${output}`);
}
