import * as fs from "node:fs"; import { join } from "node:path"; import { test } from "vitest";
import { build } from "../../src/build/build.js"; import { scratch } from "../build/helpers.js"; import { requireTool } from "../setup/tools.js"; import { SmallDisk } from "./diskFull.js";
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
test("x", async () => {
  const context = scratch(); fs.mkdirSync(join(context, "bin")); fs.copyFileSync(requireTool("busybox"), join(context, "bin/busybox"));
  const disk = new SmallDisk(); disk.mount("size=32m,nr_inodes=100000");
  try { for (let n = 34; n < 70; n++) {
    disk.leaveInodes(n);
    let e: any; try { await build({ context, dockerfile: { kind: "text", text: DOCKERFILE } as any, isolation: "namespaces", sourceDateEpoch: 0, reproducible: true, tags: ["f:1"], store: disk.store }); } catch (x) { e = x; }
    const left = fs.readdirSync(join(disk.store, "tmp")).filter((o) => !o.startsWith("u."));
    if (left.length) console.log(n, e?.message, e?.cause?.stack, left.map((l) => [l, fs.readdirSync(join(disk.store, "tmp", l), { recursive: true })]).flat(3).join(" "));
    disk.makeRoom(); fs.rmSync(disk.store, { recursive: true, force: true });
    if (!e) break;
  } } finally { disk.close(); }
}, 600000);
