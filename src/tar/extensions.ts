/** The extended headers between two members: PAX records for the next member and for all, GNU's long name and link target. */
import type { ByteString } from "../support/bytes.js";
import { paddingOf } from "./block.js";
import type { Fail, RawHeader } from "./header.js";
import { limitExceeded } from "./limits.js";
import { decodePaxRecords, type PaxRecords } from "./pax.js";

const FLAGS = "xgLK";
const NOTHING = Buffer.alloc(0);

/** True for the type flags of extended headers. */
export const isExtensionFlag = (flag: string): boolean => FLAGS.includes(flag);

/** Collects the extended headers of the coming member, one after the other. */
export class Extensions {
  /** PAX records for the coming member. */
  pax: PaxRecords | undefined;
  /** GNU's long name (type `L`). */
  longName: ByteString | undefined;
  /** GNU's long link target (type `K`). */
  longLink: ByteString | undefined;
  /** Offset of the first extended header that waits for its member. */
  startsAt: number | undefined;
  /** True once the archive had a PAX extended header, global ones included. */
  seenPax = false;

  #flag = "";
  #length = 0;
  #data: Buffer = NOTHING;
  #filled = 0;

  /** Begins an extended header, whose content comes next. @returns false if it has none */
  begin(raw: RawHeader, offset: number, limit: number, fail: Fail): boolean {
    if (raw.size > limit) throw limitExceeded(`an extended header at offset ${offset} has ${raw.size} bytes`, limit);
    // Readers differ about which of two wins.
    if (this.#has(raw.flag)) fail("a member has two extended headers of one kind");
    if (raw.flag !== "g") this.startsAt ??= offset;
    this.#flag = raw.flag;
    this.#length = raw.size;
    this.#filled = 0;
    this.#data = Buffer.allocUnsafe(raw.size + paddingOf(raw.size));
    if (raw.size === 0) this.#finish(fail);
    return raw.size > 0;
  }

  /** Takes content of the header that was begun. @returns how many bytes it took; it is complete when {@link complete} says so */
  take(buffer: Buffer, at: number, fail: Fail): number {
    const taken = buffer.copy(this.#data, this.#filled, at);
    this.#filled += taken;
    if (this.complete) this.#finish(fail);
    return taken;
  }

  get complete(): boolean {
    return this.#filled === this.#data.length;
  }

  /** They belonged to a member that has now begun. */
  clear(): void {
    this.startsAt = this.pax = this.longName = this.longLink = undefined;
  }

  #has(flag: string): boolean {
    if (flag === "x") return this.pax !== undefined;
    return flag === "L" ? this.longName !== undefined : flag === "K" && this.longLink !== undefined;
  }

  #finish(fail: Fail): void {
    const data = this.#data.subarray(0, this.#length);
    // Python reads records and long names on into the padding.
    const padding = this.#data.subarray(this.#length);
    if (padding.some((byte) => byte !== 0)) fail("an extended header is followed by bytes that do not belong to it");
    if (this.#flag === "L") this.longName = longText(data, fail);
    else if (this.#flag === "K") this.longLink = longText(data, fail);
    else this.#setRecords(decodePaxRecords(data, fail), fail);
    this.#data = NOTHING;
    this.#filled = 0;
  }

  #setRecords(records: PaxRecords, fail: Fail): void {
    this.seenPax = true;
    if (this.#flag === "x") {
      this.pax = records;
      return;
    }
    const key = changesMembers(records);
    if (key !== undefined) fail(`a global extended header sets ${key}, which not every reader obeys`);
  }
}

function longText(data: Buffer, fail: Fail): ByteString {
  const nul = data.indexOf(0);
  const text = data.toString("latin1", 0, nul < 0 ? data.length : nul);
  // Empty means "none" to Go and "an empty name" to others.
  if (text === "") fail("a long name is empty");
  return text;
}

const MEMBER_KEY =
  /^(path|linkpath|size|uid|gid|mtime|hdrcharset|GNU\.sparse\..*|SCHILY\.(xattr\..*|dev.*)|LIBARCHIVE\.xattr\..*)$/s;

/**
 * The first keyword of a global header that would change members. POSIX and GNU tar apply it to all that follow, Go and
 * with it Docker and containerd ignore it. Comments, times of access, names of users and volumes' labels do no harm.
 */
function changesMembers(pax: PaxRecords): string | undefined {
  if (pax.sparsePairs.length > 0) return "GNU.sparse.offset";
  return [...pax.values.keys()].find((key) => MEMBER_KEY.test(key));
}
