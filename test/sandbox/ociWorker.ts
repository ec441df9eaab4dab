/**
 * A process of its own that runs one step through an OCI runtime, to be killed or to be run as another user:
 * `ociWorker.js RUNTIME HAND SCRIPT`, where HAND is `root`, `ids` or `single`. Tells the step's directory first, then its output, then its end.
 */
import { ociExecutor, probeOci } from "../../src/sandbox/oci.js";
import { makeOciRoot, ROOT_HAND } from "./ociRoot.js";

const [runtime = "", kind = "", script = ""] = process.argv.slice(2);
const userNamespace = kind !== "root";
const hand = userNamespace
  ? { ...ROOT_HAND, overlayXattrs: "user" as const, devices: false, singleId: kind === "single" }
  : ROOT_HAND;
const root = makeOciRoot({ userNamespace });
try {
  console.log(root.dir);
  const plan = root.plan({ process: { args: ["/bin/sh", "-c", script] } });
  const mounts = plan.mounts.map((mount) => ({
    ...mount,
    // The group tty does not exist among single ids.
    options: mount.options.filter((option) => !hand.singleId || option !== "gid=5"),
  }));
  if (runtime === "probe") console.log(JSON.stringify(await probeOci()));
  else {
    const log = { kind: "log", onOutput: (chunk: Buffer) => process.stdout.write(chunk) } as const;
    const io = process.argv[5] === "terminal" ? ({ kind: "terminal" } as const) : log;
    const exit = await ociExecutor({ path: runtime }).execute({ ...plan, mounts }, io, { hand, warn: () => {} });
    console.log(JSON.stringify(exit));
  }
} finally {
  root.remove();
}
