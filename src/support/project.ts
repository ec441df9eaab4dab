/** Which project a build belongs to. */
import { sha256Hex } from "./hash.js";
import { canonicalJson } from "./json.js";

/** What makes a project: what the user calls it, else the same Dockerfile over the same context. */
export type ProjectParts =
  | { readonly name: string }
  | {
      /** Real path of the Dockerfile, or what errors call it where it is no file. */
      readonly dockerfile: string;
      /** Real path of the context, or its address. */
      readonly context: string;
    };

/** The identity of a project: 64 hex digits. */
export function projectIdentity(parts: ProjectParts): string {
  return sha256Hex(canonicalJson(parts));
}
