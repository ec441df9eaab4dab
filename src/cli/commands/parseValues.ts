/** Values of flags that several commands take. */
import type { Compression } from "../../oci/mediaTypes.js";
import { NacreError } from "../../support/errors.js";

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  none: "none",
  uncompressed: "none",
  gzip: "gzip",
  zstd: "zstd",
};
const LEVELS: Readonly<Record<Compression, readonly [number, number]>> = { none: [0, 0], gzip: [0, 9], zstd: [1, 22] };

/**
 * Reads a kind of compression as buildx spells them (`none` besides `uncompressed`).
 * @param what the flag, for errors
 * @throws NacreError USAGE
 */
export function parseCompression(text: string, what: string): Compression {
  const name = text.toLowerCase();
  const type = Object.hasOwn(COMPRESSIONS, name) ? COMPRESSIONS[name] : undefined;
  if (type) return type;
  if (name === "estargz") throw usage(`${what} estargz is not available`, "use gzip or zstd");
  throw usage(`unknown compression ${JSON.stringify(text)}`, `${what} is none, gzip or zstd`);
}

/**
 * Reads a compression level.
 * @throws NacreError USAGE where the codec has no such level
 */
export function parseLevel(type: Compression, text: string): number {
  const [least, most] = LEVELS[type];
  const level = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (level >= least && level <= most) return level;
  throw usage(
    `compression level ${JSON.stringify(text)} is not one of ${type}`,
    type === "none" ? "no compression has no level" : `levels of ${type} are ${least} to ${most}`,
  );
}

/**
 * Reads a truth value as Go's strconv.ParseBool does.
 * @throws NacreError USAGE
 */
export function parseBoolean(text: string, what: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw usage(`${what} is true or false, not ${JSON.stringify(text)}`, `write ${what}=true or ${what}=false`);
}

/**
 * Reads how many of something run at a time.
 * @throws NacreError USAGE
 */
export function parseJobs(text: string): number {
  return readJobs(text, "leave it out for the usual number");
}

/** The same, with a hint of the caller's own. */
export function readJobs(text: string, hint: string): number {
  const jobs = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (jobs > 0) return jobs;
  throw usage(`--jobs is a number from 1 on, not ${JSON.stringify(text)}`, hint);
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
