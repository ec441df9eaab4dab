/**
 * From a plan to what the setup script works with: a directory with short names for layers, the lists of mounts, and
 * the operations in their order. As many mounts as possible go into one list, because each list costs a program.
 */
import * as fs from "node:fs";
import { uniqueSuffix } from "../store/owner.js";
import { type ByteString, fromByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { StartNames } from "./finalCommand.js";
import { type FstabEntry, fstabText, overlayOptions, PLAIN_OVERLAY } from "./fstab.js";
import type { Hand } from "./hand.js";
import { lockedFlags, parseMountInfo } from "./hostFacts.js";
import { besides, type LayerNames } from "./layerNames.js";
import { rootMountOptions } from "./noDevices.js";
import { needStepProgram } from "./programs.js";
import type { PlannedMount, RootPlan } from "./rootPlan.js";
import { encodeOperand, operation, walkOperation } from "./setupScript.js";
import { isStaged, STAGED, type Stage, stageKey, stageMounts } from "./stage.js";
import { DEVICE_NODES, deviceLinks, INSECURE_DEVICE_NODES } from "./standardMounts.js";

/** A directory for one execution. */
export interface SetupFiles {
  /** Absolute; the setup script starts there. Remove it when nothing runs any more. */
  readonly directory: string;
  /** What programs of the chain say begins with this. */
  readonly tag: string;
  readonly names: StartNames;
  readonly operations: readonly string[];
  /** Where mounts are, for messages. */
  readonly mounts: readonly { readonly path: string; readonly name: string; readonly own: boolean }[];
  /** The sizes of secrets say how much of it each one takes. */
  readonly input: readonly Buffer[] | undefined;
}

/** Name of the directory that has names for layers. */
const LAYERS = "l";
/** Name of the directory that is mounted as /dev. */
const DEV = "dev";

/** Below these everything is the level's own doing, not the request's. */
const SYSTEM = /^(proc|dev|sys)(\/|$)|^etc\/(hosts|resolv\.conf)$/;

/**
 * Makes the directory.
 * @throws NacreError STORE, DISK_FULL; ISOLATION if a mount's options do not fit into a page; MOUNT
 */
export function makeSetupFiles(
  plan: RootPlan,
  hand: Hand,
  { volatile, terminal, layers, stage }: SetupChoices,
): SetupFiles {
  const directory = `${plan.dir}/run-${uniqueSuffix()}`;
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
    if (plan.secretFiles.length > 0) fs.mkdirSync(`${directory}/secrets`);
    fs.symlinkSync(layers.directory, `${directory}/${LAYERS}`);
    const setup = new Setup({ plan, hand, volatile, layers, directory, root: toByteString(`${plan.dir}/merged`) });
    setup.build(stage);
    const tag = stage?.tag ?? (terminal ? "nacre" : `nacre-${uniqueSuffix()}`);
    return {
      directory,
      tag: `${tag}-`,
      names: stage ? stage.names : startNames(directory, tag),
      operations: setup.operations,
      mounts: setup.mounts,
      input: plan.secretFiles.length > 0 ? plan.secretFiles.map(({ content }) => content) : undefined,
    };
  } catch (error) {
    removeSetupFiles(directory);
    throw ioError("STORE", `writing ${directory}`, error);
  }
}

/** How a step is set up. */
export interface SetupChoices {
  /** No synchronisation of upper directories with the disk when they are unmounted. */
  readonly volatile: boolean;
  readonly terminal: boolean;
  /** Names of lower directories. */
  readonly layers: LayerNames;
  /** Where /proc, /dev and /sys are mounted already, for the process that will do the rest. */
  readonly stage?: Stage | undefined;
}

/**
 * Makes the directory of a stage like the one that a plan needs.
 * @returns undefined where the plan has something of its own in it
 * @throws NacreError STORE, DISK_FULL
 */
export function makeStage(plan: RootPlan, hand: Hand): Stage | undefined {
  const key = stageKey(plan, hand);
  if (key === undefined) return undefined;
  const directory = besides(plan.dir, uniqueSuffix());
  const root = toByteString(`${directory}/root`);
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
    for (const name of ["root", ...STAGED.map((name) => `root/${name}`)]) fs.mkdirSync(`${directory}/${name}`);
    const setup = new Setup({ plan, hand, volatile: false, layers: undefined, directory, root });
    const tag = `nacre-${uniqueSuffix()}`;
    const list = setup.buildStage(stageMounts(plan, root)!);
    return { key, directory, root, list, tag, names: startNames(directory, tag) };
  } catch (error) {
    fs.rmSync(directory, { recursive: true, force: true });
    throw ioError("STORE", `writing ${directory}`, error);
  }
}

/** Removes the directory. Never throws. */
export function removeSetupFiles(directory: string): void {
  try {
    fs.rmSync(directory, { recursive: true, force: true });
  } catch {
    // It lies in the step's directory and goes with it.
  }
}

function startNames(directory: string, tag: string): StartNames {
  const name = (program: keyof StartNames): string => {
    const link = `${directory}/${tag}-${program}`;
    fs.symlinkSync(needStepProgram(program), link);
    // env(1) would take it for a variable.
    return program === "unshare" && link.includes("=") ? needStepProgram(program) : link;
  };
  return { prlimit: name("prlimit"), setpriv: name("setpriv"), unshare: name("unshare") };
}

/** What is mounted as /dev: links, and files for nodes to be bound upon. */
function fillDev(dir: string): void {
  fs.mkdirSync(dir);
  fs.chmodSync(dir, 0o755);
  for (const { name, target } of deviceLinks(fs.existsSync("/proc/kcore"))) fs.symlinkSync(target, `${dir}/${name}`);
  // Made here, so that whoever mounts makes nothing, and what is removed meanwhile stays removed.
  for (const name of ["pts", "shm", "mqueue"]) fs.mkdirSync(`${dir}/${name}`, { mode: 0o755 });
  for (const { name } of DEVICE_NODES) fs.closeSync(fs.openSync(`${dir}/${name}`, "wx", 0o644));
}

/** What a {@link Setup} works with. */
interface SetupInput {
  readonly plan: RootPlan;
  readonly hand: Hand;
  readonly volatile: boolean;
  /** Undefined where no overlay is going to be mounted. */
  readonly layers: LayerNames | undefined;
  /** Where it may write. */
  readonly directory: string;
  /** Where the root is going to be. */
  readonly root: ByteString;
}

class Setup {
  readonly operations: string[] = [];
  readonly mounts: { path: string; name: string; own: boolean }[] = [];
  readonly #plan: RootPlan;
  readonly #hand: Hand;
  readonly #volatile: boolean;
  readonly #layers: LayerNames | undefined;
  readonly #directory: string;
  readonly #root: ByteString;
  #entries: FstabEntry[] = [];
  #nodeFlags: readonly string[] | undefined;
  #mountInfo: ReturnType<typeof parseMountInfo> | undefined;
  #lists = 0;
  #names = 0;

  constructor({ plan, hand, volatile, layers, directory, root }: SetupInput) {
    this.#layers = layers;
    this.#plan = plan;
    this.#hand = hand;
    this.#volatile = volatile;
    this.#directory = directory;
    this.#root = root;
  }

  /** @returns the absolute path of the list of mounts */
  buildStage(mounts: readonly PlannedMount[]): string {
    mounts.forEach((mount, at) => void this.#addMount(mount, mounts.slice(0, at)));
    return `${this.#directory}/${this.#writeList()}`;
  }

  build(stage: Stage | undefined): void {
    const { dir, lower, mounts, secretFiles, makeCwd, process } = this.#plan;
    if (secretFiles.length > 0) this.#addSecretPlace();
    for (const mount of mounts) if (mount.base === "step") this.#addHelper(mount);
    const overlay = { lower, upper: `${dir}/upper`, work: `${dir}/work` };
    this.#add(this.#overlay(this.#root, overlay, rootMountOptions(process)), "the step's root", true);
    if (stage) this.#addStage(stage);
    mounts.forEach((mount, at) => {
      if (mount.base !== "step" && !(stage && isStaged(mount))) this.#addMount(mount, mounts.slice(0, at));
    });
    this.#flush();
    this.#addDevices();
    this.#addSecrets();
    if (makeCwd !== undefined) {
      const { uid, gid } = process;
      this.operations.push(...walkOperation("dir", makeCwd, uid === 0 && gid === 0 ? "" : `${uid}:${gid}`));
    }
  }

  #addStage({ root }: Stage): void {
    for (const name of STAGED) {
      const entry = { source: `${root}/${name}`, target: this.#inRoot(name), type: "bind", options: ["rbind"] };
      this.#add(entry, `/${name}`, true);
    }
  }

  #addSecretPlace(): void {
    const options = ["mode=700", "nosuid", "nodev", "noexec"];
    const target = toByteString(`${this.#directory}/secrets`);
    this.#add({ source: "tmpfs", target, type: "tmpfs", options }, "the place for secrets", true);
  }

  #addHelper({ target, overlay, options }: PlannedMount): void {
    const path = `${toByteString(this.#plan.dir)}/${target}`;
    if (!overlay) throw new NacreError("INTERNAL", `the helper mount ${target} is no overlay`);
    this.#add(this.#overlay(path, overlay, options), "the source of a bind mount", false);
  }

  #addMount(mount: PlannedMount, before: readonly PlannedMount[]): void {
    const { source, target, type, makeTarget } = mount;
    if (target === "dev" && type === "tmpfs") {
      this.#addDev(mount);
      return;
    }
    const options = [...mount.options];
    // The group of terminals is not there where only one id is.
    const usable =
      this.#hand.singleId && type === "devpts" ? options.filter((word) => !word.startsWith("gid=")) : options;
    if (type === "bind" && mount.purpose === "masked") usable.push(...this.#nodeOptions);
    if (makeTarget !== undefined) assertOwn(target, before);
    if (makeTarget === "dir") usable.push("X-mount.mkdir");
    if (makeTarget === "file") this.#make(target);
    const own = SYSTEM.test(target) || mount.purpose !== undefined;
    this.#add({ source, target: this.#inRoot(target), type, options: usable }, `/${fromByteString(target)}`, own);
  }

  /**
   * A directory that is filled already stands for a tmpfs that would have to be filled by programs, between two lists of
   * mounts. The nodes in it are the host's.
   */
  #addDev({ target, options }: PlannedMount): void {
    fillDev(`${this.#directory}/${DEV}`);
    const source = toByteString(`${this.#directory}/${DEV}`);
    const kept = options.filter((word) => word === "nosuid" || word === "nodev");
    const locked = this.#hand.flavour === "root" ? [] : lockedFlags(this.#hostMounts, fromByteString(source));
    this.#add({ source, target: this.#inRoot(target), type: "bind", options: [...kept, ...locked] }, "/dev", true);
    for (const { name } of DEVICE_NODES) {
      const node = `/dev/${name}`;
      const into = this.#inRoot(`dev/${name}`);
      this.#add({ source: node, target: into, type: "bind", options: this.#nodeOptions }, node, true);
    }
  }

  /**
   * Of the host's nodes: read-only, or a step could change their mode and owner (writing to the device remains
   * possible). Flags that the host's /dev has must stay in a user namespace.
   */
  get #nodeOptions(): readonly string[] {
    this.#nodeFlags ??= ["ro", ...lockedFlags(this.#hostMounts, "/dev/null")];
    return this.#nodeFlags;
  }

  get #hostMounts(): ReturnType<typeof parseMountInfo> {
    this.#mountInfo ??= parseMountInfo(fs.readFileSync("/proc/self/mountinfo", "latin1"));
    return this.#mountInfo;
  }

  get #makesNodes(): boolean {
    return this.#hand.flavour === "root" && this.#hand.devices;
  }

  /** Further devices of the machine, for a step that may use them. */
  #addDevices(): void {
    if (!this.#plan.process.insecure) return;
    for (const { name } of INSECURE_DEVICE_NODES.filter((node) => fs.existsSync(`/dev/${node.name}`))) {
      const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")));
      if (parent !== "") this.operations.push(...walkOperation("dir", `dev/${parent}`, ""));
      if (this.#makesNodes) this.operations.push(...operation("device", name));
      else this.#bindNode(name);
    }
  }

  #bindNode(name: string): void {
    this.#make(`dev/${name}`);
    const source = `/dev/${name}`;
    this.#add({ source, target: this.#inRoot(`dev/${name}`), type: "bind", options: this.#nodeOptions }, source, true);
  }

  #addSecrets(): void {
    this.#plan.secretFiles.forEach(({ target, makeTarget, content, mode, uid, gid }, at) => {
      const owner = `${uid}:${gid}`;
      this.operations.push(
        ...operation("secret", String(at), String(content.length), (mode & 0o7777).toString(8), owner),
      );
      if (makeTarget) this.operations.push(...walkOperation("file", target, ""));
      const source = toByteString(`${this.#directory}/secrets/${at}`);
      const options = ["ro", "nosuid", "nodev", "noexec"];
      const name = `the secret at /${fromByteString(target)}`;
      this.#add({ source, target: this.#inRoot(target), type: "bind", options }, name, false);
    });
    this.#flush();
  }

  /** Makes a file to mount upon, once everything before it is mounted. */
  #make(target: ByteString): void {
    this.#flush();
    this.operations.push(...walkOperation("file", target, ""));
  }

  #inRoot(target: ByteString): ByteString {
    return `${this.#root}/${target}`;
  }

  #overlay(target: ByteString, overlay: NonNullable<PlannedMount["overlay"]>, further: readonly string[]): FstabEntry {
    const { upper, work } = overlay;
    if (work !== undefined) forgetVolatile(work);
    const options = overlayOptions({
      lower: overlay.lower.map((path) => this.#besides(path) ?? `${LAYERS}/${this.#layers?.of(path)}`),
      upper: upper === undefined ? undefined : this.#name(upper),
      work: work === undefined ? undefined : this.#name(work),
      options: [
        ...further.filter((word) => !/^(volatile|userxattr|redirect_dir=.*|metacopy=.*|index=.*)$/.test(word)),
        ...PLAIN_OVERLAY,
        ...(upper !== undefined && this.#volatile ? ["volatile"] : []),
        ...(this.#hand.overlayXattrs === "user" ? ["userxattr"] : []),
      ],
    });
    if (options) return { source: "overlay", target, type: "overlay", options };
    throw new NacreError("ISOLATION", `${overlay.lower.length} layers are more than the kernel can put together`, {
      hint: "flatten the base image, or use --isolation=chroot",
    });
  }

  /** The name of what lies in the step's directory, as that of this execution does. */
  #besides(path: string): string | undefined {
    const { dir } = this.#plan;
    const rest = path.startsWith(`${dir}/`) ? path.slice(dir.length + 1) : "";
    return /^[a-z0-9][a-z0-9-]*$/i.test(rest) ? `../${rest}` : undefined;
  }

  /** A name for a directory of this step alone; see layerNames.ts. */
  #name(path: string): string {
    const short = this.#besides(path);
    if (short !== undefined) return short;
    const name = `u${this.#names++}`;
    fs.symlinkSync(path, `${this.#directory}/${name}`);
    return name;
  }

  #add(entry: FstabEntry, name: string, own: boolean): void {
    this.#entries.push(entry);
    this.mounts.push({ path: fromByteString(entry.target), name, own });
  }

  #flush(): void {
    if (this.#entries.length === 0) return;
    const isFirst = this.#lists === 0;
    this.operations.push(...operation("mount", this.#writeList()));
    if (isFirst) this.operations.push(...operation("root", encodeOperand(`${this.#plan.dir}/merged`)));
  }

  #writeList(): string {
    const file = `fstab${this.#lists++}`;
    fs.writeFileSync(`${this.#directory}/${file}`, Buffer.from(fstabText(this.#entries), "latin1"), { mode: 0o600 });
    this.#entries = [];
    return file;
  }
}

/** What is made on the way must be of this step alone: anyone who shares a directory could put a symlink there. */
function assertOwn(target: ByteString, before: readonly PlannedMount[]): void {
  const around = before.findLast((mount) => mount.base !== "step" && target.startsWith(`${mount.target}/`));
  if (around?.type === "tmpfs") return;
  throw new NacreError(
    "MOUNT",
    `the mount point /${fromByteString(target)} cannot be made in a place that others share`,
    {
      hint: "make the directory or file beforehand",
    },
  );
}

/** The kernel marks an upper directory that was not synchronised, and refuses it until the mark is gone. */
function forgetVolatile(work: string): void {
  fs.rmSync(fsPath(`${toByteString(work)}/work/incompat`), { recursive: true, force: true });
}
