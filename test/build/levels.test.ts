/** The same Dockerfile gives the same layers at every level of isolation. */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { IsolationLevel } from "../../src/sandbox/types.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { Project, scratch } from "./helpers.js";

const missing = ["busybox", "unshare", "setpriv", "tar", "crun"].some(toolMissing);

const DOCKERFILE = `FROM scratch
COPY --chmod=0755 bin /bin
COPY <<passwd /etc/passwd
root:x:0:0::/root:/bin/sh
app:x:1000:1000::/app:/bin/sh
passwd
COPY data /data
RUN mkdir -p /app/deep && echo one > /app/one && ln /app/one /app/two && chown -R 1000:1000 /app && chmod 4755 /app/one
RUN rm -r /data/gone && mkdir /data/gone && echo new > /data/gone/new && ln /data/kept /data/linked && mkfifo /data/fifo
USER app
WORKDIR /app
ENV NAME=value
RUN --mount=type=cache,target=/app/cache,uid=1000 --mount=type=tmpfs,target=/t --mount=type=bind,source=data,target=/m \\
    echo "$NAME $HOME" > named && cat /m/kept >> named && touch cache/x && ln -s named link && rm -f two
COPY data/kept /app/late
RUN <<EOF
set -e
echo late >> late || echo "not mine" > refused
EOF
`;

describe.skipIf(process.getuid?.() !== 0 || missing)("the layers of a Dockerfile", () => {
  it("are the same at the levels oci, namespaces and chroot, with --reproducible", async () => {
    const project = new Project({ "data/kept": "kept\n", "data/gone/old": "old\n" });
    mkdirSync(join(project.dir, "bin"));
    for (const name of ["sh", "mkdir", "echo", "ln", "chown", "chmod", "rm", "mkfifo", "cat", "touch"]) {
      copyFileSync(requireTool("busybox"), join(project.dir, "bin", name));
    }
    const layersAt = async (isolation: IsolationLevel): Promise<unknown[]> => {
      const store = join(scratch(), "store");
      const { steps } = await project.build(DOCKERFILE, { store, isolation, reproducible: true });
      return steps.map(({ label, layer }) => [label, layer?.diffId]).sort();
    };
    const expected = await layersAt("namespaces");
    expect(await layersAt("oci")).toEqual(expected);
    expect(await layersAt("chroot")).toEqual(expected);
  });
});
