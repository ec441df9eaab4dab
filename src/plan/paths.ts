/** Paths of WORKDIR and of COPY destinations (BuildKit: system.NormalizePath). Pure text; symlinks come later. */
import { posix } from "node:path";

/**
 * The directory after `WORKDIR path`: an absolute path stays as it is typed, not even cleaned (BuildKit keeps
 * `WORKDIR /a/` as `/a/`); a relative one is joined to the current directory and cleaned.
 */
export function workdirPath(current: string, path: string): string {
  const parent = absolute(current);
  if (path === "") return parent;
  return path.startsWith("/") ? path : clean(posix.join(parent, path));
}

/**
 * A working directory as an image for Windows has it: backslashes, no drive (BuildKit: system.NormalizeWorkdir).
 * @returns undefined for a path on another drive than C:, which no image has
 */
export function windowsWorkdir(current: string, path: string): string | undefined {
  const [, drive = "C", rest = ""] = /^(?:([A-Za-z]):)?(.*)$/s.exec(path) ?? [];
  if (drive.toUpperCase() !== "C") return undefined;
  const slashes = (text: string): string => text.replaceAll("\\", "/");
  return workdirPath(slashes(current), slashes(rest)).replaceAll("/", "\\");
}

/**
 * A destination of COPY or ADD made absolute. A trailing `/` of the result says that it is a directory: typed as such,
 * or meant by `/.`, `.` and the empty word.
 */
export function destinationPath(workdir: string, destination: string): string {
  const word = destination === "" || destination === "." ? "./" : destination;
  const directory = /\/\.?$/.test(word);
  const path = word.startsWith("/") ? word.replace(/\/\.$/, "/") : clean(posix.join(absolute(workdir), word));
  return directory && !path.endsWith("/") ? `${path}/` : path;
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : posix.join("/", path);
}

/** Without trailing slashes, as Go's path.Join returns it. */
function clean(path: string): string {
  return path === "/" ? path : path.replace(/\/+$/, "");
}
