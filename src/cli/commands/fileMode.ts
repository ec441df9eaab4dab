/** How files of images are shown. */

const TYPE_LETTERS: Readonly<Record<string, string>> = {
  ...{ file: "-", dir: "d", symlink: "l", char: "c", block: "b", fifo: "p", whiteout: "w" },
};
const SPECIAL = [
  { bit: 0o4000, at: 3, with: "s", without: "S" },
  { bit: 0o2000, at: 6, with: "s", without: "S" },
  { bit: 0o1000, at: 9, with: "t", without: "T" },
] as const;

/** Type and mode as ls(1) shows them: `drwxr-xr-x`, `-rwsr-xr-x`, `drwxrwxrwt`. */
export function modeText(type: string, mode: number): string {
  const letters = [...(TYPE_LETTERS[type] ?? "?")];
  for (let bit = 0o400; bit > 0; bit >>= 1) {
    letters.push((mode & bit) === 0 ? "-" : "rwx"[(letters.length - 1) % 3]!);
  }
  for (const { bit, at, with: withX, without } of SPECIAL) {
    if ((mode & bit) !== 0) letters[at] = letters[at] === "x" ? withX : without;
  }
  return letters.join("");
}
