/** Times and sizes as Docker's listings of images show them. */
import { formatAge, formatBytes } from "../../support/human.js";

/** Docker takes times up to this for ones that are not known, in histories. */
const UNKNOWN_UNTIL = Date.parse("2000-01-01T00:00:00Z");

/** How long ago something was made; `N/A` where that is not known. @param now milliseconds since 1970 */
export function ageOf(created: string | undefined, now: number): string {
  const time = Date.parse(created ?? "");
  return Number.isNaN(time) ? "N/A" : `${formatAge(now - time)} ago`;
}

/** The same in a history, where early times stand for none. */
export function historyAge(created: string | undefined, now: number): string {
  return Date.parse(created ?? "") > UNKNOWN_UNTIL ? ageOf(created, now) : "N/A";
}

/** Whole seconds in UTC: `2024-05-06T07:08:09Z`. */
export function secondsOf(created: string | undefined): string {
  const time = Date.parse(created ?? "1970-01-01T00:00:00Z");
  if (Number.isNaN(time)) return created ?? "";
  return `${new Date(Math.floor(time / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** As Go prints a time: `2024-05-06 07:08:09 +0000 UTC`. */
export function goTime(created: string | undefined): string {
  return created === undefined ? "N/A" : `${secondsOf(created).slice(0, 19).replace("T", " ")} +0000 UTC`;
}

/** `34.6kB`, or `N/A` where it is not known. */
export function sizeOf(bytes: number | undefined): string {
  return bytes === undefined ? "N/A" : formatBytes(bytes);
}
