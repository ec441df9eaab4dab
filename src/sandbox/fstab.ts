/**
 * Mounts as lines of a file for `mount -a`, so that one program makes all of them. Paths are bytes: the file is
 * written as latin1 of byte strings.
 */
import type { ByteString } from "../support/bytes.js";

/** One line. */
export interface FstabEntry {
  readonly source: ByteString;
  /** Absolute. */
  readonly target: ByteString;
  readonly type: string;
  /** None of them contains a comma. */
  readonly options: readonly string[];
}

/** An overlay as mount(8) takes it. */
export interface OverlayNames {
  /** Topmost first. */
  readonly lower: readonly string[];
  readonly upper: string | undefined;
  readonly work: string | undefined;
  /** Further options. */
  readonly options: readonly string[];
}

/** mount(2) takes one page of options, a NUL at its end included. */
const MAX_OPTIONS = 4095;

/**
 * What changes the meaning of an upper directory is off, so that it can be read by itself. (`redirect_dir=off` means
 * `follow` to kernels that are built so, and `userxattr` does not go with that.)
 */
export const PLAIN_OVERLAY: readonly string[] = ["redirect_dir=nofollow", "metacopy=off", "index=off"];

/** The lines of a file for `mount -a --fstab`. */
export function fstabText(entries: readonly FstabEntry[]): ByteString {
  return entries.map(fstabLine).join("");
}

/** Bind mounts are written as the option `bind` (or `rbind`, where it is given). */
function fstabLine({ source, target, type, options }: FstabEntry): ByteString {
  const bind = type === "bind";
  const words = bind && !options.includes("rbind") ? ["bind", ...options] : options;
  const fields = [source, target, bind ? "none" : type, words.join(",") || "defaults"];
  return `${fields.map(fstabField).join(" ")} 0 0\n`;
}

/**
 * A field of fstab(5): what separates fields or begins a comment as an octal escape. libmount knows no others than three
 * octal digits, and reads them wherever they stand.
 */
export function fstabField(field: ByteString): ByteString {
  return field.replace(/[\x00-\x20"'#\\\x7f]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** The options of an overlay mount. @returns undefined if they are more than a kernel takes */
export function overlayOptions({ lower, upper, work, options }: OverlayNames): string[] | undefined {
  const words = [
    `lowerdir=${lower.join(":")}`,
    ...(upper === undefined ? [] : [`upperdir=${upper}`]),
    ...(work === undefined ? [] : [`workdir=${work}`]),
    ...options,
  ];
  return words.join(",").length > MAX_OPTIONS ? undefined : words;
}
