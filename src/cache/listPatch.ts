/**
 * A list told as its difference from an earlier one of the same directory: stretches of the earlier bytes, and new bytes
 * between them. A patch is a row of pieces, each: start and end of the stretch (4 + 4 bytes, big-endian), number of new
 * bytes (4), new bytes.
 */
import { type EntryPlace, FIRST_ENTRY, scanList } from "../context/treeList.js";

interface NamedEntry {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** The patch that makes `after` of `before`; both are lists. */
export function makePatch(before: Buffer, after: Buffer): Buffer {
  const old = entriesOf(before);
  const pieces: Buffer[] = [];
  let copy = { start: 0, end: FIRST_ENTRY };
  let fresh = { start: FIRST_ENTRY, end: FIRST_ENTRY };
  const flush = (): void => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(copy.start, 0);
    head.writeUInt32BE(copy.end, 4);
    head.writeUInt32BE(fresh.end - fresh.start, 8);
    pieces.push(head, after.subarray(fresh.start, fresh.end));
  };
  let at = 0;
  for (const entry of entriesOf(after)) {
    while (at < old.length && old[at]!.name < entry.name) at++;
    const same = old[at];
    const isKept = same?.name === entry.name && isEqual(before, same, after, entry);
    if (!isKept) {
      fresh = { start: fresh.start === fresh.end ? entry.start : fresh.start, end: entry.end };
    } else if (copy.end === same.start && fresh.start === fresh.end) {
      copy = { start: copy.start, end: same.end };
    } else {
      flush();
      copy = { start: same.start, end: same.end };
      fresh = { start: entry.end, end: entry.end };
    }
  }
  flush();
  return Buffer.concat(pieces);
}

/** What a patch makes of a list; undefined if it does not fit. */
export function applyPatch(before: Buffer, patch: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 0; at < patch.length; ) {
    if (at + 12 > patch.length) return undefined;
    const [start, end, fresh] = [patch.readUInt32BE(at), patch.readUInt32BE(at + 4), patch.readUInt32BE(at + 8)];
    at += 12;
    total += end - start + fresh;
    if (start > end || end > before.length || at + fresh > patch.length) return undefined;
    // No honest patch repeats anything.
    if (total > before.length + patch.length) return undefined;
    parts.push(before.subarray(start, end), patch.subarray(at, at + fresh));
    at += fresh;
  }
  return Buffer.concat(parts);
}

function entriesOf(list: Buffer): NamedEntry[] {
  const entries: NamedEntry[] = [];
  scanList(list, ({ start, end, nameStart, nameEnd }: EntryPlace) => {
    entries.push({ name: list.toString("latin1", nameStart, nameEnd), start, end });
  });
  return entries;
}

function isEqual(a: Buffer, inA: NamedEntry, b: Buffer, inB: NamedEntry): boolean {
  return a.compare(b, inB.start, inB.end, inA.start, inA.end) === 0;
}
