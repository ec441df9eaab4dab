/** The long form of diskFull.test.ts: with RUN, a cache mount, an output on the same disk, and every single block. */
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { build } from "../../src/build/build.js";
import type { BuildRequest } from "../../src/build/request.js";
import { scratch } from "../build/helpers.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { fillInTurn, SmallDisk } from "./diskFull.js";

const cannotRun = !canMount() || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);
const DOCKERFILE = `
FROM scratch AS base
COPY --chmod=0755 bin /bin
FROM base AS made
RUN --mount=type=cache,target=/cache ["/bin/busybox", "sh", "-c", "/bin/busybox head -c 30000 /dev/zero > /out"]
FROM base
WORKDIR /w
COPY --from=made /out /w/
RUN ["/bin/busybox", "sh", "-c", "echo done > /w/done"]
`;

describe.skipIf(cannotRun)("a build with RUN whose disk is full", () => {
  for (const what of ["block", "file"] as const) {
    test(`fails cleanly at every ${what}, stays sound, and succeeds once there is room`, async () => {
      const context = scratch();
      fs.mkdirSync(join(context, "bin"));
      fs.copyFileSync(requireTool("busybox"), join(context, "bin/busybox"));
      const disk = new SmallDisk();
      try {
        disk.mount(`size=${what === "block" ? 12 : 32}m,nr_inodes=100000`);
        const common: BuildRequest = {
          ...{ context, dockerfile: { kind: "text", text: DOCKERFILE }, isolation: "namespaces" },
          ...{ sourceDateEpoch: 0, reproducible: true, tags: ["full:1"] },
        };
        const expected = await build({ ...common, store: join(scratch(), "store") });
        const request = { ...common, store: disk.store };
        const limit = (amount: number) => (what === "block" ? disk.leave(amount) : disk.leaveInodes(amount));
        // Most of it is one big file, whose writing fails at one place like at any other.
        const step = what === "block" ? 36 : 1;
        const { failures, places } = await fillInTurn(disk, request, expected.digest, {
          limit,
          step,
          most: 12_000,
          runs: true,
        });
        expect(failures).toBeGreaterThan(20);
        expect(places.size).toBeGreaterThan(5);
      } finally {
        disk.close();
      }
    });
  }
});
