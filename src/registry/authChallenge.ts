/**
 * What a registry says of how to log in: `WWW-Authenticate` headers (RFC 9110, 11.6.1) and token scopes (distribution,
 * "Token Scope Documentation"). Pure; whatever comes, reading it takes time in proportion to its length.
 */

/** One way to log in that is offered. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By name in lower case; of one that comes twice, the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SEPARATORS = /[\s,]*/y;
const SCHEME = new RegExp(`(${TOKEN})(?:[ \\t]+|(?=,)|$)`, "y");
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y;
const PARAMETER = new RegExp(
  `[\\s,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}|[^\\s,"]+))[ \\t]*`,
  "y",
);
/** Most challenges, and most scopes, that are looked at. */
const MAX_CHALLENGES = 16;
const MAX_SCOPES = 16;
const SCOPE = /^([a-z0-9]+(?:\([a-z0-9]+\))?):([^\s"\\]{1,512}):([a-z*]+(?:,[a-z*]+)*)$/;

/** The challenges of all such headers of an answer, in their order. Ends at what it cannot read. */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap(challengesOf).slice(0, MAX_CHALLENGES);
}

function challengesOf(header: string): Challenge[] {
  const found: Challenge[] = [];
  let at = 0;
  const next = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header) ?? undefined;
    if (match !== undefined) at = pattern.lastIndex;
    return match;
  };
  while (found.length < MAX_CHALLENGES) {
    next(SEPARATORS);
    const scheme = next(SCHEME)?.[1]?.toLowerCase();
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    if (next(TOKEN68) === undefined) {
      for (let one = next(PARAMETER); one !== undefined; one = next(PARAMETER)) {
        const [, name = "", quoted, plain = ""] = one;
        const key = name.toLowerCase();
        if (!parameters.has(key)) parameters.set(key, quoted === undefined ? plain : quoted.replace(/\\(.)/gs, "$1"));
      }
    }
    found.push({ scheme, parameters });
  }
  return found;
}

/** The scope that lets a client do that in a repository. */
export function repositoryScope(repository: string, actions: "pull" | "pull,push"): string {
  return `repository:${repository}:${actions}`;
}

/** The scope that lets a client list repositories. */
export const CATALOG_SCOPE = "registry:catalog:*";

/** The scopes of a challenge: those that have the form of one. */
export function scopesOf({ parameters }: Challenge): readonly string[] {
  const scopes = (parameters.get("scope") ?? "").split(" ").filter((scope) => SCOPE.test(scope));
  return scopes.slice(0, MAX_SCOPES);
}

/** The union of two sets of scopes, those of the first standing first: one scope for each resource, its actions joined. */
export function mergeScopes(first: readonly string[], second: readonly string[]): readonly string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of [...first, ...second]) {
    // A name may hold a colon (that of a port): what stands before the first and after the last is none of it.
    const cut = scope.lastIndexOf(":");
    const of = actions.get(scope.slice(0, cut)) ?? new Set();
    for (const action of scope.slice(cut + 1).split(",")) of.add(action);
    actions.set(scope.slice(0, cut), of);
  }
  return [...actions].map(([resource, of]) => `${resource}:${[...of].join(",")}`);
}

/** True if whoever has the first may do all that the second asks for. */
export function coversScopes(have: readonly string[], wanted: readonly string[]): boolean {
  const normal = (scopes: readonly string[]): string =>
    mergeScopes(scopes, [])
      .map((scope) => scopeKey(scope))
      .sort()
      .join(" ");
  return normal(have) === normal(mergeScopes(have, wanted));
}

/** The same text for scopes that differ only in the order of their actions. */
export function scopeKey(scope: string): string {
  const cut = scope.lastIndexOf(":");
  return `${scope.slice(0, cut)}:${scope
    .slice(cut + 1)
    .split(",")
    .sort()
    .join(",")}`;
}
