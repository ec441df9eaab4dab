/**
 * Proving that a change keeps the image as it is: both are built, and their files and settings are compared. In: a build
 * request and changed Dockerfiles. Out: whether the images are the same. Promises: no name, no record and no build of the
 * project's changes, and what is built for the proof can go with the next collection. What is proven is proven for the
 * files and bases of now.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { build } from "../build/build.js";
import type { BuildRequest } from "../build/request.js";
import { forgetProject } from "../cache/projectState.js";
import { type Image, loadImage } from "../image/image.js";
import type { ImageConfig } from "../oci/documents.js";
import { listBuilds, removeBuilds } from "../store/builds.js";
import { defaultStorePath, Store } from "../store/store.js";
import { encodeText } from "../support/bytes.js";
import { isNacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { projectIdentity } from "../support/project.js";
import type { CandidateChange } from "./candidate.js";
import { type FileDifference, fileDifferences } from "./sameFiles.js";

/** What a proof came to. */
export type Proof =
  | {
      readonly kind: "proven";
      /** Files that differ, as they do whenever the present Dockerfile is built twice. */
      readonly unstable: readonly string[];
    }
  | { readonly kind: "refuted"; readonly differences: readonly string[] }
  /** It could not be built, or the present one could not. */
  | { readonly kind: "failed"; readonly error: string };

/** Bytes of /dev/shm by which the second build of the present Dockerfile is told from the first; nobody counts them. */
const ANOTHER_SHM_SIZE = (64 << 20) + 4096;
/** Differences that are told. */
const TOLD = 20;

/** What is to be built in place of the present files. */
interface Replaced {
  readonly text?: string | undefined;
  readonly ignore?: string | undefined;
  /** Execute every RUN again, without touching what is known of the first time. */
  readonly again?: boolean | undefined;
  readonly target: string | undefined;
}

/** Proves changes of one project. Close it in the end. */
export class Prover {
  readonly #request: BuildRequest;
  readonly #file: string;
  readonly #text: string;
  readonly #ignoreFile: string;
  readonly #title: string;
  readonly #directory = mkdtempSync(join(tmpdir(), "nacre-advise-"));
  readonly #tags: string[] = [];
  readonly #targets: readonly (string | undefined)[];
  /** The present images, by target. */
  readonly #before = new Map<string | undefined, Promise<Image>>();
  readonly #unstable = new Map<string | undefined, Promise<readonly FileDifference[]>>();

  /**
   * @param present the Dockerfile as it is
   * @param ignoreFile path of the ignore file that applies, from the directory of the context; undefined if none does
   * @param targets the image of each of them has to stay the same
   */
  constructor(
    request: BuildRequest,
    present: { readonly file: string; readonly text: string },
    ignoreFile: string | undefined,
    targets: readonly (string | undefined)[],
  ) {
    this.#request = request;
    this.#targets = targets;
    this.#file = present.file;
    this.#text = present.text;
    const root = typeof request.context === "string" ? request.context : ".";
    this.#ignoreFile = ignoreFile === undefined ? "/dev/null" : resolve(root, ignoreFile);
    this.#title = `nacre advise ${sha256Hex(`${resolve(root)} ${present.file}`).slice(0, 12)}`;
  }

  /** Builds with and without a change. @throws NacreError CANCELLED */
  async prove(change: CandidateChange): Promise<Proof> {
    if (change.kind === "command") return { kind: "proven", unstable: [] };
    try {
      let unstable: readonly string[] = [];
      for (const target of this.#targets) {
        const proof = await this.#proveTarget(change, target);
        if (proof.kind !== "proven") return proof;
        unstable = [...unstable, ...proof.unstable];
      }
      return { kind: "proven", unstable: [...new Set(unstable)] };
    } catch (error) {
      if (!isNacreError(error) || error.code === "CANCELLED") throw error;
      return { kind: "failed", error: error.message };
    }
  }

  /** Removes what the proofs have left: names, builds in the history, files. */
  async close(): Promise<void> {
    rmSync(this.#directory, { recursive: true, force: true });
    await this.#withStore(async (store) => {
      for (const tag of this.#tags) await store.removeReference(tag);
      const builds = listBuilds(store, { filters: { names: [this.#title] }, onSkipped: () => {} });
      removeBuilds(store, { builds: builds.map(({ id }) => id) });
      forgetProject(store, projectIdentity({ name: this.#title }));
    });
  }

  async #proveTarget(
    change: Exclude<CandidateChange, { readonly kind: "command" }>,
    target: string | undefined,
  ): Promise<Proof> {
    const before = await once(this.#before, target, () => this.#build({ target }));
    const changed = change.kind === "ignore" ? { ignore: change.after } : { text: change.variant.text };
    const after = await this.#build({ ...changed, target });
    const settings = settingsThatDiffer(before.config, after.config);
    const files = await this.#withStore((store) => fileDifferences(store, before, after));
    const unstable = files.length === 0 ? [] : await this.#unstableFiles(before, target);
    const known = new Set(unstable.map(keyOf));
    const differences = [
      ...settings.map((name) => `setting ${name}`),
      ...files.filter((file) => !known.has(keyOf(file))).map(({ path, what }) => `/${path} (${what})`),
    ];
    if (differences.length > 0) return { kind: "refuted", differences: cut(differences) };
    return { kind: "proven", unstable: cut([...new Set(files.map(({ path }) => `/${path}`))]) };
  }

  /** What differs when the present Dockerfile is built twice. */
  #unstableFiles(before: Image, target: string | undefined): Promise<readonly FileDifference[]> {
    return once(this.#unstable, target, async () => {
      const again = await this.#build({ again: true, target });
      return this.#withStore((store) => fileDifferences(store, before, again));
    });
  }

  async #build({ text = this.#text, ignore, again, target }: Replaced): Promise<Image> {
    const tag = `nacre-advise/proof:${randomBytes(8).toString("hex")}`;
    const { shmSize } = this.#request;
    // Another text, so that nothing is remembered of the second build in place of the first.
    const name = this.#title;
    const result = await build({
      ...this.#request,
      target,
      ...{ name, tags: [tag], canonicalNames: undefined, outputs: [], iidFile: undefined, metadataFile: undefined },
      ...{ noCache: false, noCacheFilter: [], pull: false, emit: undefined },
      lock: this.#request.lock === "hold" ? "hold" : undefined,
      dockerfile: { kind: "text", text: again ? `${text}\n# again\n` : text, name: this.#file },
      ignoreFile: ignore === undefined ? this.#ignoreFile : this.#put(ignore),
      shmSize: again ? (shmSize === undefined ? ANOTHER_SHM_SIZE : shmSize + 4096) : shmSize,
      housekeeping: { limits: () => ({}) },
    });
    this.#tags.push(...result.names);
    return this.#withStore(async (store) => loadImage(store, result.descriptor));
  }

  #put(ignore: string): string {
    const path = join(this.#directory, randomBytes(4).toString("hex"));
    writeFileSync(path, encodeText(ignore));
    return path;
  }

  async #withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const store = await Store.open(this.#request.store ?? defaultStorePath(process.env));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
}

function once<K, V>(known: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

function keyOf({ path, what }: FileDifference): string {
  return `${what} ${path}`;
}

function cut(texts: readonly string[]): readonly string[] {
  return texts.length > TOLD ? [...texts.slice(0, TOLD - 1), `… and ${texts.length - TOLD + 1} more`] : texts;
}

/** Fields of the config that say how the image came to be, not what it is. */
const OF_THE_BUILD: ReadonlySet<string> = new Set(["created", "history", "rootfs"]);

function settingsThatDiffer(before: ImageConfig, after: ImageConfig): readonly string[] {
  const [old, fresh] = [before, after].map(
    (config) => new Map<string, unknown>(Object.entries(config).filter(([name]) => !OF_THE_BUILD.has(name))),
  ) as [Map<string, unknown>, Map<string, unknown>];
  return [...new Set([...old.keys(), ...fresh.keys()])].filter(
    (name) => !isDeepStrictEqual(old.get(name), fresh.get(name)),
  );
}
