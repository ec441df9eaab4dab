/** Names of members as paths inside a tree. */
import type { ByteString } from "../support/bytes.js";

/**
 * The path that a member's name means inside the root that an archive is unpacked to: no leading or trailing `/`, no
 * empty, `.` or `..` elements, `""` for the root itself. Elements are resolved by their text alone, as Go's
 * `path.Clean` does for Docker and containerd; a backslash is an ordinary character.
 *
 * @returns undefined for a name that leads out of the root or that holds a NUL, which no file system can store.
 *   A leading `/` does not lead out: `/etc/x` is `etc/x`.
 */
export function normalizeMemberName(name: ByteString): ByteString | undefined {
  if (isPlain(name)) return name;
  if (name.includes("\0")) return undefined;
  const elements: string[] = [];
  for (const element of name.split("/")) {
    if (element === "" || element === ".") continue;
    if (element !== "..") elements.push(element);
    else if (elements.pop() === undefined) return undefined;
  }
  return elements.join("/");
}

/** True for most names there are: nothing to change or to refuse. */
function isPlain(name: ByteString): boolean {
  let previous = SLASH;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    // An element that starts with a dot may be `.` or `..`: left to the thorough way.
    if (code === 0 || (previous === SLASH && (code === SLASH || code === DOT))) return false;
    previous = code;
  }
  return previous !== SLASH;
}

const SLASH = 0x2f;
const DOT = 0x2e;
