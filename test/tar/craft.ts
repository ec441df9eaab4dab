/** Makes tar bytes by hand, right or wrong: what no honest tool writes. */

export interface Crafted {
  readonly name?: string;
  readonly flag?: string;
  /** A number is written in octal, a string as it stands. */
  readonly size?: number | string;
  readonly mode?: number | string;
  readonly uid?: number | string;
  readonly gid?: number | string;
  readonly mtime?: number | string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly devMajor?: number | string;
  readonly devMinor?: number | string;
  /** Bytes to put at offsets, before the checksum is made. */
  readonly patch?: Readonly<Record<number, string>>;
  /** In place of the right checksum. */
  readonly checksum?: string;
}

const field = (value: number | string, length: number) =>
  typeof value === "string" ? value : `${value.toString(8).padStart(length - 1, "0")}\0`;

/** One header block, ustar unless told otherwise. */
export function header(from: Crafted): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, text: string) => block.write(text, at, "latin1");
  put(0, from.name ?? "x");
  put(100, field(from.mode ?? 0o644, 8));
  put(108, field(from.uid ?? 0, 8));
  put(116, field(from.gid ?? 0, 8));
  put(124, field(from.size ?? 0, 12));
  put(136, field(from.mtime ?? 0, 12));
  put(148, " ".repeat(8));
  put(156, from.flag ?? "0");
  put(157, from.link ?? "");
  put(257, from.magic ?? "ustar\x0000");
  if ((from.magic ?? "ustar").startsWith("ustar")) {
    put(329, field(from.devMajor ?? 0, 8));
    put(337, field(from.devMinor ?? 0, 8));
  }
  put(345, from.prefix ?? "");
  for (const [at, text] of Object.entries(from.patch ?? {})) put(Number(at), text);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, from.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Content and its padding. */
export function content(data: string | Buffer): Buffer {
  const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A whole file. */
export const file = (name: string, data = "", over: Crafted = {}): Buffer =>
  Buffer.concat([header({ name, size: data.length, ...over }), content(data)]);

/** A PAX record with its right length. */
export function record(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** A PAX extended header with these records. */
export const pax = (...records: [string, string][]): Buffer =>
  rawPax(records.map(([key, value]) => record(key, value)).join(""));
/** A PAX extended header with any content. */
export const rawPax = (data: string, over: Crafted = {}): Buffer =>
  Buffer.concat([header({ name: "PaxHeaders.0/x", flag: "x", size: data.length, ...over }), content(data)]);
export const globalPax = (...records: [string, string][]): Buffer =>
  rawPax(records.map(([key, value]) => record(key, value)).join(""), { flag: "g", name: "pax_global_header" });

export const GNU_MAGIC = "ustar  \0";
/** GNU's long name (`L`) or long link target (`K`). */
export const gnuLong = (flag: "L" | "K", text: string, over: Crafted = {}): Buffer =>
  Buffer.concat([
    header({ name: "././@LongLink", flag, size: text.length + 1, magic: GNU_MAGIC, ...over }),
    content(`${text}\0`),
  ]);

/** 12 bytes in GNU's base-256. */
export function base256(value: bigint, length = 12): string {
  let text = "";
  let rest = value;
  for (let i = 0; i < length - 1; i++, rest >>= 8n) text = String.fromCharCode(Number(rest & 255n)) + text;
  return (value < 0n ? "\xff" : "\x80") + text;
}

export const END = Buffer.alloc(1024);
