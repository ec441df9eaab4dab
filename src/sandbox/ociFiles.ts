/** The files that the script around an OCI runtime finds in the step's directory: what to mount, and short names for it. */
import * as fs from "node:fs";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import { type FstabEntry, fstabText, overlayOptions, PLAIN_OVERLAY } from "./fstab.js";
import type { Hand } from "./hand.js";
import { cgroupsOf, parseMountInfo } from "./hostFacts.js";
import { rootMountOptions } from "./noDevices.js";
import { OCI_DIRECTORY, OCI_PRIVATE } from "./ociScript.js";
import type { PlannedOverlay, RootPlan } from "./rootPlan.js";

/** What the runtime sees of control groups: see below. */
export type GroupView = "empty" | "names";

/**
 * Makes the directory, fresh. @returns its path
 * @throws NacreError STORE, DISK_FULL
 */
export function writeOciFiles(plan: RootPlan, hand: Hand, groups: GroupView): string {
  const directory = `${plan.dir}/${OCI_DIRECTORY}`;
  try {
    fs.rmSync(directory, { recursive: true, force: true });
    for (const name of ["", NAMES, "cgroup", OCI_PRIVATE]) fs.mkdirSync(`${directory}/${name}`, { mode: 0o755 });
    fs.writeFileSync(`${directory}/fstab`, Buffer.from(fstab(plan, hand, directory, groups), "latin1"), {
      mode: 0o600,
    });
    return directory;
  } catch (error) {
    throw ioError("STORE", `writing ${directory}`, error);
  }
}

/** Short: all options of a mount have to fit into one page. */
const NAMES = "n";

function fstab(plan: RootPlan, hand: Hand, directory: string, groups: GroupView): ByteString {
  const here = toByteString(directory);
  const own = `${here}/${OCI_PRIVATE}`;
  return fstabText([
    { source: "tmpfs", target: own, type: "tmpfs", options: ["nosuid", "mode=700"] },
    ...overlaysOf(plan).map((overlay, at) => overlayEntry(overlay, hand, directory, at)),
    // Beneath what is done to /sys/fs/cgroup: mounts of the step have their source here.
    { source: "/sys", target: `${own}/sys`, type: "bind", options: ["rbind", "X-mount.mkdir"] },
    groupEntry(here, directory, groups),
  ]);
}

/**
 * Without limits no control group is made, so none can be left behind. Crun can be told so, but looks at them first, and
 * refuses a mixture of both versions: an empty tmpfs passes for version 1. Runc cannot be told, but does without where
 * it has no right to make one (`--rootless`): it is shown the directories of the groups, read-only.
 */
function groupEntry(here: ByteString, directory: string, view: GroupView): FstabEntry {
  const target = "/sys/fs/cgroup";
  const groups = cgroupsOf(parseMountInfo(fs.readFileSync("/proc/self/mountinfo", "latin1")));
  if (groups[0]?.name === "") return { source: target, target, type: "bind", options: ["ro"] };
  // A source of its own: mount -a would take a tmpfs of the host there for this one.
  if (view === "empty") return { source: "nacre", target, type: "tmpfs", options: ["ro", "size=4k"] };
  for (const { name } of groups) fs.mkdirSync(fsPath(`${toByteString(directory)}/cgroup/${name}`));
  return { source: `${here}/cgroup`, target, type: "bind", options: ["ro"] };
}

interface Overlay extends PlannedOverlay {
  /** Where it is mounted. */
  readonly target: ByteString;
  readonly options: readonly string[];
}

function overlaysOf(plan: RootPlan): Overlay[] {
  const { dir, lower } = plan;
  const here = toByteString(dir);
  const root = {
    lower,
    upper: `${dir}/upper`,
    work: `${dir}/work`,
    target: `${here}/merged`,
    options: rootMountOptions(plan.process),
  };
  const helpers = plan.mounts.flatMap(({ base, overlay, target, options }) =>
    base === "step" && overlay ? [{ ...overlay, target: `${here}/${target}`, options }] : [],
  );
  return lower.length === 0 ? helpers : [...helpers, root];
}

/** The directories by short relative names. */
function overlayEntry(overlay: Overlay, hand: Hand, directory: string, at: number): FstabEntry {
  const name = (kind: string, target: string): string => {
    const link = `${NAMES}/${at}${kind}`;
    fs.symlinkSync(fsPath(toByteString(target)), `${directory}/${link}`);
    return link;
  };
  const options = overlayOptions({
    lower: overlay.lower.map((path, n) => name(`.${n}`, path)),
    upper: overlay.upper === undefined ? undefined : name("u", overlay.upper),
    work: overlay.work === undefined ? undefined : name("w", overlay.work),
    options: [...PLAIN_OVERLAY, ...(hand.overlayXattrs === "user" ? ["userxattr"] : []), ...overlay.options],
  });
  if (options) return { source: "overlay", target: overlay.target, type: "overlay", options };
  throw new NacreError("ISOLATION", `${overlay.lower.length} layers are more than an overlay can have here`, {
    hint: "use --isolation=namespaces",
  });
}
