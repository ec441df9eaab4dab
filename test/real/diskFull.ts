/** Builds in a store whose disk becomes full at every place in turn: what must hold then, and after room was made. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { build } from "../../src/build/build.js";
import type { BuildRequest } from "../../src/build/request.js";
import { checkStore } from "../../src/store/check.js";
import { Store } from "../../src/store/store.js";
import { isNacreError } from "../../src/support/errors.js";

/** A small disk of its own, with nothing on it but a store and what takes the room. */
export class SmallDisk {
  readonly path = fs.mkdtempSync(join(tmpdir(), "nacre-full-"));
  readonly store = join(this.path, "store");
  readonly #ballast = join(this.path, "ballast");

  /** @param options of the tmpfs */
  mount(options: string): void {
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", this.path], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
  }

  /** Takes all room but so many KiB. */
  leave(kibibytes: number): void {
    this.makeRoom();
    const { bsize, bavail } = fs.statfsSync(this.path);
    const length = bsize * bavail - kibibytes * 1024;
    const fd = fs.openSync(this.#ballast, "w");
    const zeros = Buffer.alloc(1 << 20);
    for (let done = 0; done < length; ) done += fs.writeSync(fd, zeros, 0, Math.min(zeros.length, length - done));
    fs.closeSync(fd);
  }

  /** Lets so many more files and directories be made. */
  leaveInodes(count: number): void {
    const { files, ffree } = fs.statfsSync(this.path);
    this.#remount(`nr_inodes=${files - ffree + count}`);
  }

  makeRoom(): void {
    fs.rmSync(this.#ballast, { force: true });
    this.#remount("nr_inodes=100000");
  }

  close(): void {
    spawnSync("umount", ["-l", this.path]);
    fs.rmSync(this.path, { recursive: true, force: true });
  }

  #remount(options: string): void {
    const { status, stderr } = spawnSync("mount", ["-o", `remount,${options}`, this.path], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  }
}

/** What was tried. */
export interface FullReport {
  /** Builds that failed because there was no room. */
  readonly failures: number;
  /** What they said they had been doing, without names. */
  readonly places: ReadonlySet<string>;
}

interface Turns {
  readonly limit: (amount: number) => void;
  readonly step: number;
  readonly most: number;
  readonly runs?: boolean;
}

/**
 * Builds with a little more room each time, until a build succeeds.
 * @param limit takes the room but for a given amount
 * @param step by how much the amount grows
 * @param runs commands are executed, to which a full disk is their own failure
 * @param digest what the build must come to
 */
export async function fillInTurn(
  disk: SmallDisk,
  request: BuildRequest,
  digest: string,
  { limit, step, most, runs = false }: Turns,
): Promise<FullReport> {
  const places = new Set<string>();
  let failures = 0;
  for (let amount = 0; amount <= most; amount += step) {
    limit(amount);
    const error = await failureOf(request);
    if (error === undefined) {
      disk.makeRoom();
      await expectSound(disk, amount);
      return { failures, places };
    }
    failures++;
    const allowed = runs ? ["DISK_FULL", "RUN_FAILED"] : ["DISK_FULL"];
    expect(allowed, `with ${amount}: ${String(error)}`).toContain(isNacreError(error) && error.code);
    places.add((error as Error).message.replace(/[0-9a-f]{8,}[0-9a-f.-]*/g, "…").replace(disk.path, ""));
    await expectSound(disk, amount);
    disk.makeRoom();
    const result = await build(request);
    expect(result.digest, `after ${amount}`).toBe(digest);
    await expectSound(disk, amount);
    fs.rmSync(disk.store, { recursive: true, force: true });
  }
  throw new Error(`the build did not succeed with ${most} either`);
}

async function failureOf(request: BuildRequest): Promise<unknown> {
  try {
    await build(request);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** All that is visible is whole, and nothing lies around: looked at with the disk as it is. */
async function expectSound(disk: SmallDisk, amount: number): Promise<void> {
  if (!fs.existsSync(join(disk.store, "version"))) return;
  const store = await Store.open(disk.store, { readOnly: true });
  try {
    expect((await checkStore(store)).problems, `with ${amount}`).toEqual([]);
    for (const { descriptor } of store.listReferences()) expect(store.flawsOf(descriptor)).toEqual([]);
  } finally {
    await store.close();
  }
  const left = (name: string) => fs.readdirSync(join(disk.store, name)).filter((one) => !one.startsWith("u."));
  expect({ tmp: left("tmp"), leases: left("leases"), tombstones: left("tombstones") }, `with ${amount}`).toEqual({
    tmp: [],
    leases: [],
    tombstones: [],
  });
}
