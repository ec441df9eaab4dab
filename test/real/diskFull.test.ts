/** A build on a disk that is full: every block that it would write is refused in turn, and every file that it would make. */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { build } from "../../src/build/build.js";
import type { BuildRequest } from "../../src/build/request.js";
import { scratch } from "../build/helpers.js";
import { canMount } from "../store/helpers.js";
import { fillInTurn, SmallDisk } from "./diskFull.js";

const DOCKERFILE =
  "FROM scratch AS one\nWORKDIR /w\nCOPY big /w/\nFROM scratch\nCOPY small /s/\nCOPY --from=one /w /w\n";

describe.skipIf(!canMount())("a build whose disk is full", () => {
  let disk: SmallDisk;
  let request: BuildRequest;
  let digest: string;

  beforeEach(async () => {
    const context = scratch();
    fs.writeFileSync(join(context, "big"), "b".repeat(20_000));
    fs.mkdirSync(join(context, "small"));
    for (let i = 0; i < 5; i++) fs.writeFileSync(join(context, "small", `${i}`), `${i}`);
    const dockerfile = { kind: "text", text: DOCKERFILE } as const;
    // With a time of its own for the image, so that every build comes to the same.
    request = { context, dockerfile, sourceDateEpoch: 0, reproducible: true, tags: ["full:1"] };
    digest = (await build({ ...request, store: join(scratch(), "store") })).digest;
    disk = new SmallDisk();
    request = { ...request, store: disk.store };
  });
  afterEach(() => disk.close());

  test("fails cleanly at every block, stays sound, and succeeds once there is room", async () => {
    disk.mount("size=4m");
    const limit = (amount: number) => disk.leave(amount);
    const { failures, places } = await fillInTurn(disk, request, digest, { limit, step: 20, most: 2000 });
    expect(failures).toBeGreaterThan(5);
    expect(places.size).toBeGreaterThan(3);
  });

  test("fails cleanly at every file and directory that cannot be made", async () => {
    disk.mount("size=16m,nr_inodes=100000");
    const limit = (amount: number) => disk.leaveInodes(amount);
    const { failures, places } = await fillInTurn(disk, request, digest, { limit, step: 5, most: 500 });
    expect(failures).toBeGreaterThan(5);
    expect(places.size).toBeGreaterThan(3);
  });

  test("keeps the image that the name stood for before", async () => {
    disk.mount("size=4m");
    await build(request);
    fs.writeFileSync(join(request.context as string, "big"), "c".repeat(30_000));
    disk.leave(8);
    await expect(build(request)).rejects.toMatchObject({
      code: "DISK_FULL",
      hint: expect.stringContaining("nacre prune"),
    });
    disk.makeRoom();
    fs.writeFileSync(join(request.context as string, "big"), "b".repeat(20_000));
    const again = await build(request);
    expect(again.digest).toBe(digest);
    expect(again.steps.map(({ outcome }) => outcome)).toEqual(Array(again.steps.length).fill("cached"));
  });
});
