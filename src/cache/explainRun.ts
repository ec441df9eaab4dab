/** What differs of what a RUN does and observes. */
import { canonicalJson, type Json } from "../support/json.js";
import { mayBeSecret } from "../support/secretNames.js";
import {
  type Comparing,
  type Fields,
  fieldsOf,
  isSame,
  itemsOf,
  setDifference,
  shownText,
  textsOf,
} from "./explainFacts.js";
import { explainInput, type InputsByKey } from "./explainInputs.js";
import type { MountChange, VariableChange } from "./why.js";

/** Tells how the process differs: its text, what that is given to, or its words. */
export function explainCommand(comparing: Comparing): void {
  if (!comparing.differs("args")) return;
  const [old, fresh] = [textsOf(comparing.old.args), textsOf(comparing.fresh.args)];
  if (isShell(old) && isShell(fresh)) {
    edited(comparing, "shell", old.slice(0, -1).join(" "), fresh.slice(0, -1).join(" "));
    edited(comparing, "command", old.at(-1)!, fresh.at(-1)!);
    // The words may be divided otherwise.
    if (comparing.changes.some(({ what }) => what === "shell" || what === "command")) return;
  }
  comparing.add({ what: "command", before: shownWords(old), after: shownWords(fresh) });
}

/** As a SHELL would be written: its words end with the option after which the text comes. */
function isShell(args: readonly string[]): boolean {
  return args.length > 2 && /^[-/]\w+$/.test(args.at(-2)!);
}

function shownWords(args: readonly string[]): string {
  return shownText(isShell(args) ? args.at(-1)! : JSON.stringify(args));
}

function edited(comparing: Comparing, what: "shell" | "command", before: string, after: string): void {
  if (before !== after) comparing.add({ what, before: shownText(before), after: shownText(after) });
}

/** Tells how files given as heredocs differ: `inline` of COPY and ADD, `script` of RUN. */
export function explainHeredocs(comparing: Comparing, name: "inline" | "script"): void {
  if (!comparing.differs(name)) return;
  const filesIn = (value: Json | undefined): readonly (readonly [string, Fields])[] =>
    (name === "script" ? [value ?? []].flat() : itemsOf(value)).map((item) => {
      const file = fieldsOf(item as Json);
      return [String(file.name), file];
    });
  const [old, fresh] = [filesIn(comparing.old[name]), filesIn(comparing.fresh[name])];
  const { pairs, added, removed } = pairByName(old, fresh);
  for (const [title, before, after] of pairs)
    if (before.digest !== after.digest) comparing.add({ what: "heredoc", name: title, change: "content" });
  for (const [title] of removed) comparing.add({ what: "heredoc", name: title, change: "removed" });
  for (const [title] of added) comparing.add({ what: "heredoc", name: title, change: "added" });
  const order = setDifference(
    old.map(([title]) => title),
    fresh.map(([title]) => title),
  );
  if (order?.reordered) comparing.add({ what: "sources", added: [], removed: [], reordered: true });
}

/** Tells each variable that came, went or has another value. */
export function explainVariables(comparing: Comparing): void {
  if (!comparing.differs("env")) return;
  const [old, fresh] = [variablesIn(comparing.old.env), variablesIn(comparing.fresh.env)];
  for (const name of new Set([...old.keys(), ...fresh.keys()])) {
    const [before, after] = [old.get(name), fresh.get(name)];
    if (before !== after) comparing.add(variable(comparing, name, before, after));
  }
  const stayed = (names: Iterable<string>, others: ReadonlyMap<string, string>): string =>
    JSON.stringify([...names].filter((name) => others.has(name)));
  if (stayed(old.keys(), fresh) !== stayed(fresh.keys(), old)) comparing.add({ what: "variableOrder" });
}

function variablesIn(env: Json | undefined): Map<string, string> {
  return new Map(
    textsOf(env).map((pair) => {
      const at = pair.indexOf("=");
      return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function variable(
  { before: then, after: now }: Comparing,
  name: string,
  before: string | undefined,
  after: string | undefined,
): VariableChange {
  const list = now.arguments ?? then.arguments;
  const values = [before, after].filter((value) => value !== undefined);
  const masked = values.some((value) => mayBeSecret(name, value));
  const shown = (value: string): string => (masked ? "****" : shownText(value));
  return {
    what: "variable",
    name,
    ...(list ? { argument: list.includes(name) } : {}),
    ...(before === undefined ? {} : { before: shown(before) }),
    ...(after === undefined ? {} : { after: shown(after) }),
    ...(masked ? { masked } : {}),
  };
}

/** Tells how mounts differ: which there are, their settings, and what they show. */
export function explainMounts(comparing: Comparing, inputs: InputsByKey): void {
  if (!comparing.differs("mounts")) return;
  const [old, fresh] = [mountsIn(comparing.old.mounts), mountsIn(comparing.fresh.mounts)];
  const { pairs, added, removed } = pairByName(old, fresh);
  const mounts = (all: typeof added, change: "added" | "removed"): MountChange[] =>
    all.map(([target, { fields }]) => ({ what: "mount", target, type: String(fields.type), change }));
  comparing.add(...mounts(removed, "removed"), ...mounts(added, "added"));
  for (const [target, before, after] of pairs) explainMount(comparing, inputs, target, before, after);
  const order = setDifference(
    old.map(([name]) => name),
    fresh.map(([name]) => name),
  );
  if (order?.reordered) comparing.add({ what: "mounts", added: [], removed: [], reordered: true });
}

interface Mount {
  readonly index: number;
  readonly fields: Fields;
}

/** By target; a secret without a file by its variable. */
function mountsIn(mounts: Json | undefined): (readonly [string, Mount])[] {
  return itemsOf(mounts).map((mount, index) => {
    const fields = fieldsOf(mount);
    return [String(fields.target ?? `$${String(fields.env)}`), { index, fields }] as const;
  });
}

function explainMount(comparing: Comparing, inputs: InputsByKey, target: string, before: Mount, after: Mount): void {
  const [old, fresh] = [flatMount(before.fields), flatMount(after.fields)];
  if (old.type !== fresh.type) {
    const fields = [{ name: "type", before: old.type, after: fresh.type }];
    comparing.add({ what: "mount", target, type: String(fresh.type), change: "changed", fields });
    return;
  }
  const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])].sort();
  const fields = names
    .filter((name) => !isSame(old[name], fresh[name]))
    .map((name) => ({
      name,
      ...(old[name] === undefined ? {} : { before: old[name] }),
      ...(fresh[name] === undefined ? {} : { after: fresh[name] }),
    }));
  if (fields.length > 0) {
    comparing.add({ what: "mount", target, type: String(fresh.type), change: "changed", fields });
  }
  const shown = ({ fields: all }: Mount): Json | undefined => all.source ?? all.seed;
  explainShown(comparing, inputs, target, {
    before: shown(before),
    after: shown(after),
    old: before.index,
    fresh: after.index,
  });
}

/** The settings of a mount; what it shows apart, except the path in a stage or image. */
function flatMount({ source, seed: _seed, owner, ...rest }: Fields): Fields {
  const { path } = fieldsOf(source);
  return { ...rest, ...fieldsOf(owner), path: typeof path === "string" ? path : undefined };
}

interface Shown {
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  /** Numbers of the mounts. */
  readonly old: number;
  readonly fresh: number;
}

function explainShown(comparing: Comparing, inputs: InputsByKey, target: string, shown: Shown): void {
  const [was, is] = [fieldsOf(shown.before), fieldsOf(shown.after)];
  if (isHeld(was) && was.kind === is.kind) {
    if (was.digest === is.digest) return;
    const root = (mount: number, { digest }: Fields) => ({
      at: { kind: "mount", mount } as const,
      digest: String(digest),
    });
    comparing.filesChange({ kind: "mount", target }, root(shown.old, was), root(shown.fresh, is));
    return;
  }
  explainInput(comparing, inputs, { role: "mount", mount: target }, origin(shown.before), origin(shown.after));
}

/** Files that are known by what they are. */
function isHeld({ kind }: Fields): boolean {
  return kind === "context" || kind === "selection";
}

function origin(shown: Json | undefined): Json | undefined {
  const fields = fieldsOf(shown);
  return fields.kind === "path" ? fields.from : isHeld(fields) ? { kind: "context" } : shown;
}

/** Pairs by name, in order where a name stands several times. */
function pairByName<T>(
  old: readonly (readonly [string, T])[],
  fresh: readonly (readonly [string, T])[],
): {
  readonly pairs: readonly (readonly [string, T, T])[];
  readonly added: readonly (readonly [string, T])[];
  readonly removed: readonly (readonly [string, T])[];
} {
  const left = [...old];
  const pairs: (readonly [string, T, T])[] = [];
  const added: (readonly [string, T])[] = [];
  for (const entry of fresh) {
    const at = left.findIndex(([name]) => name === entry[0]);
    const [match] = at < 0 ? [] : left.splice(at, 1);
    if (match) pairs.push([entry[0], match[1], entry[1]]);
    else added.push(entry);
  }
  return { pairs, added, removed: left };
}

/** Tells lists whose members count: hosts, devices, limits, what the sandbox cannot keep. */
export function explainSets(comparing: Comparing): void {
  for (const what of ["hosts", "devices", "ulimits", "losses"] as const) {
    if (!comparing.differs(what)) continue;
    const [old, fresh] = [comparing.old[what], comparing.fresh[what]].map((value) =>
      itemsOf(value).map((item) => (what === "ulimits" ? limitText(fieldsOf(item)) : textOf(item))),
    ) as [string[], string[]];
    const difference = setDifference(old, fresh);
    if (difference) comparing.add({ what, ...difference });
  }
}

function limitText({ name, soft, hard }: Fields): string {
  return `${String(name)}=${String(soft)}:${String(hard)}`;
}

function textOf(item: Json): string {
  return typeof item === "string" ? item : canonicalJson(item);
}
