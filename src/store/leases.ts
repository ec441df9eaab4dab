/**
 * Leases: while a process uses something, garbage collection leaves it alone. A lease is a file in leases/ named after
 * its owner, to which the digests in use are appended as they come into use; its mtime is the owner's heartbeat.
 *
 * The order that makes this safe without a lock: whoever uses a thing protects it *first* and checks that it exists
 * *then*; garbage collection moves a thing aside first, reads the leases then, and puts back what has become protected.
 */
import * as fs from "node:fs";
import { type Digest, isDigest } from "../oci/digest.js";
import { ioError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { isMissing, makeDirectory, readIfThere, unlinkIfThere, writeAll } from "./files.js";
import { HEARTBEAT_INTERVAL, ownerName, uniqueSuffix } from "./owner.js";
import { type LeaseFile, liveLeases } from "./sweep.js";

/** Milliseconds for which what is written outside any lease stays protected, at least. */
const SESSION_SPAN = 15 * 60_000;

/** Protects what it names from garbage collection, in all processes, until it is released or its process ends. */
export interface Lease {
  /**
   * Adds blobs, indexes and lists by digest, records by id, directories as `snapshot:NAME`, `mount:NAME` and
   * `source:NAME` (see {@link Store.useDirectories}). A protected manifest protects all of its image, a delta the snapshot it lies on.
   */
  protect(digests: Iterable<Digest>, records?: Iterable<string>, directories?: Iterable<LeasedDirectory>): void;
  /** Ends the protection. Calling it again does nothing. */
  release(): void;
}

/** A snapshot, the directory of a cache mount, or that of a source (`KIND-NAME`), as a lease names it. */
export type LeasedDirectory = `snapshot:${string}` | `mount:${string}` | `source:${string}`;

/** What living leases name. */
export interface Protected {
  readonly digests: ReadonlySet<Digest>;
  readonly records: ReadonlySet<string>;
  readonly directories: ReadonlySet<LeasedDirectory>;
}

/** The leases of one opened store. */
export class Leases {
  readonly #directory: StoreDirectory;
  readonly #held = new Set<LeaseHandle>();
  #session: LeaseHandle | undefined;
  #previousSession: LeaseHandle | undefined;
  #sessionSince = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: StoreDirectory) {
    this.#directory = directory;
  }

  /** A new lease; sweeps those of the dead on the way. In a store opened for reading it protects nothing. */
  acquire(): Lease {
    if (this.#directory.readOnly) return { protect: () => {}, release: () => {} };
    liveLeases(this.#directory);
    return this.#open();
  }

  /** Protects what is being written: in every lease held, or, where there is none, for a quarter of an hour at least. */
  protectNew(digests: Iterable<Digest>, records: Iterable<string> = []): void {
    const [all, ids] = [[...digests], [...records]];
    const explicit = [...this.#held].filter((lease) => lease !== this.#session && lease !== this.#previousSession);
    for (const lease of explicit.length > 0 ? explicit : [this.#currentSession()]) lease.protect(all, ids);
  }

  /** Releases everything. */
  close(): void {
    for (const lease of [...this.#held]) lease.release();
  }

  #open(): LeaseHandle {
    const lease = new LeaseHandle(this.#directory, (ended) => this.#forget(ended));
    this.#held.add(lease);
    this.#timer ??= setInterval(() => this.#beat(), HEARTBEAT_INTERVAL).unref();
    return lease;
  }

  #forget(lease: LeaseHandle): void {
    this.#held.delete(lease);
    if (this.#session === lease) this.#session = undefined;
    if (this.#held.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Sessions roll over, so that a process which lives for days does not protect all that it ever wrote. */
  #currentSession(): LeaseHandle {
    const now = this.#directory.now();
    if (this.#session && now - this.#sessionSince > SESSION_SPAN) {
      this.#previousSession?.release();
      this.#previousSession = this.#session;
      this.#session = undefined;
    }
    if (!this.#session) {
      this.#session = this.#open();
      this.#sessionSince = now;
    }
    return this.#session;
  }

  #beat(): void {
    for (const lease of this.#held) {
      try {
        lease.beat();
      } catch (error) {
        this.#directory.warn(`a lease of the store could not be renewed: ${String(error)}`);
      }
    }
  }
}

/** All that living leases of any process protect. */
export function readProtected(directory: StoreDirectory): Protected {
  const digests = new Set<Digest>();
  const records = new Set<string>();
  const directories = new Set<LeasedDirectory>();
  for (const lease of liveLeases(directory)) readLease(lease, digests, records, directories);
  return { digests, records, directories };
}

function readLease(
  lease: LeaseFile,
  digests: Set<Digest>,
  records: Set<string>,
  directories: Set<LeasedDirectory>,
): void {
  const lines = readIfThere(lease.path)?.toString("latin1").split("\n") ?? [];
  // A line that is cut short is being written: its writer has not looked for the thing yet.
  for (const line of lines) {
    if (isDigest(line)) digests.add(line);
    else if (line.startsWith("record:")) records.add(line.slice(7));
    else if (isLeasedDirectory(line)) directories.add(line);
  }
}

function isLeasedDirectory(line: string): line is LeasedDirectory {
  return line.startsWith("snapshot:") || line.startsWith("mount:") || line.startsWith("source:");
}

class LeaseHandle implements Lease {
  readonly #directory: StoreDirectory;
  readonly #path: string;
  readonly #ended: (lease: LeaseHandle) => void;
  readonly #lines = new Set<string>();
  #fd: number | undefined;

  constructor(directory: StoreDirectory, ended: (lease: LeaseHandle) => void) {
    this.#directory = directory;
    this.#ended = ended;
    this.#path = directory.at("leases", `${ownerName(directory.owner)}.${uniqueSuffix()}`);
    this.#fd = this.#create();
  }

  protect(
    digests: Iterable<Digest>,
    records: Iterable<string> = [],
    directories: Iterable<LeasedDirectory> = [],
  ): void {
    if (this.#fd === undefined) return;
    const wanted = new Set<string>(digests);
    for (const directory of directories) wanted.add(directory);
    for (const id of records) wanted.add(`record:${id}`);
    const fresh = [...wanted].filter((line) => !this.#lines.has(line));
    if (fresh.length === 0) return;
    this.#append(fresh);
    for (const line of fresh) this.#lines.add(line);
  }

  release(): void {
    if (this.#fd === undefined) return;
    fs.closeSync(this.#fd);
    this.#fd = undefined;
    unlinkIfThere(this.#path);
    this.#ended(this);
  }

  /** Shows that the owner lives; makes the file anew if someone took us for dead (a machine that slept). */
  beat(): void {
    try {
      fs.utimesSync(this.#path, new Date(), new Date());
    } catch (error) {
      if (!isMissing(error) || this.#fd === undefined) return;
      fs.closeSync(this.#fd);
      this.#fd = this.#create();
      this.#append([...this.#lines]);
    }
  }

  #create(): number {
    for (let attempt = 0; ; attempt++) {
      try {
        return fs.openSync(this.#path, "ax", 0o644);
      } catch (error) {
        if (attempt > 0 || !isMissing(error)) throw ioError("STORE", `creating ${this.#path}`, error);
        makeDirectory(this.#directory.at("leases"));
      }
    }
  }

  #append(lines: readonly string[]): void {
    try {
      // The newline in front ends a line that a full disk has cut short.
      writeAll(this.#fd!, Buffer.from(`\n${lines.join("\n")}\n`, "latin1"));
    } catch (error) {
      throw ioError("STORE", `writing ${this.#path}`, error);
    }
  }
}
