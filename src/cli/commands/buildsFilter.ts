/** `--filter` of `nacre builds ls`: `key=value`, several values of a key being alternatives. */
import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { BuildFilters, BuildSummary } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { parseDuration } from "../../support/human.js";
import { projectIdentity } from "../../support/project.js";
import { nearest } from "../../support/suggest.js";

type Outcome = BuildSummary["outcome"];

/** The words for outcomes, those of buildx among them. */
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  done: "done",
  completed: "done",
  error: "error",
  failed: "error",
  cancelled: "cancelled",
  canceled: "cancelled",
};
const KEYS = ["status", "name", "project", "target", "platform", "since", "until"] as const;

/** The names that a Dockerfile is looked for under. */
const DOCKERFILES = ["Dockerfile", "dockerfile"] as const;

type Key = (typeof KEYS)[number];

/**
 * Reads filters as they are typed: each `key=value`, or several with commas between; `|` between alternatives of a status.
 * @param now milliseconds since 1970
 * @throws NacreError USAGE
 */
export function parseFilters(texts: readonly string[], now: number): BuildFilters {
  const values = new Map<Key, string[]>();
  for (const text of texts.flatMap((each) => each.split(/,(?=[a-z]+=)/))) {
    const [key, value] = parsePair(text);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  const times = (key: "since" | "until"): number[] | undefined =>
    values.get(key)?.map((value) => parseTime(value, now, key));
  const [since, until] = [times("since"), times("until")];
  return {
    outcomes: values.get("status")?.flatMap((value) => value.split("|").map(parseOutcome)),
    names: values.get("name"),
    projects: values.get("project")?.flatMap(parseProject),
    targets: values.get("target"),
    platforms: values.get("platform"),
    since: since && Math.max(...since),
    until: until && Math.min(...until),
  };
}

function parsePair(text: string): [Key, string] {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  const known = KEYS.find((each) => each === key);
  if (known && at >= 0) return [known, text.slice(at + 1)];
  const near = known ?? nearest(key, KEYS);
  throw new NacreError("USAGE", known ? `the filter ${known} has no value` : `unknown filter ${JSON.stringify(key)}`, {
    hint: near ? `write --filter ${near}=VALUE` : `filters: ${KEYS.join(", ")}`,
  });
}

function parseOutcome(text: string): Outcome {
  const outcome = Object.hasOwn(OUTCOMES, text) ? OUTCOMES[text] : undefined;
  if (outcome) return outcome;
  throw new NacreError("USAGE", `unknown status ${JSON.stringify(text)}`, {
    hint: "a build is done, error or cancelled",
  });
}

/** A time: how long ago (`2h`, `7d`), a date, or seconds since 1970. @throws NacreError USAGE */
export function parseTime(text: string, now: number, what: string): number {
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(withZone(text)) : Number.NaN;
  if (!Number.isNaN(date)) return date;
  try {
    return now - parseDuration(text);
  } catch {
    throw new NacreError("USAGE", `not a time: ${JSON.stringify(text)}`, {
      hint: `write how long ago, e.g. ${what}=2h, or a date, e.g. ${what}=2026-03-01 or 2026-03-01T12:00:00Z`,
    });
  }
}

/** A date alone is midnight of the machine's time zone, as a time without a zone is there too. */
function withZone(text: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text;
}

/**
 * The identities of projects that a text may mean: hex digits of one, a context directory, a Dockerfile over its own
 * directory or the working directory, or what a project is called.
 */
function parseProject(text: string): string[] {
  const named = [...(/^[0-9a-f]{6,64}$/.test(text) ? [text] : []), projectIdentity({ name: text })];
  const path = resolve(text);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return named;
  const places = stat.isDirectory()
    ? DOCKERFILES.map((name) => [join(path, name), path] as const)
    : [dirname(path), resolve(".")].map((context) => [path, context] as const);
  return [
    ...named,
    ...places.map(([dockerfile, context]) =>
      projectIdentity({ dockerfile: realPath(dockerfile), context: realPath(context) }),
    ),
  ];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
