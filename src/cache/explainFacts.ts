/** What explanations are made from, and the small comparisons that all of them share. */
import { canonicalJson, type Json } from "../support/json.js";
import { hideUserinfo } from "../support/url.js";
import { diffFiles, type FileDifference, type FileSide } from "./explainFiles.js";
import type { RootPlace } from "./listRoots.js";
import type { StepLists } from "./stepLists.js";
import type { Change, FilesChange, SettingChange, SettingName, SourceRef } from "./why.js";

/** A step as it was keyed, then or now. */
export interface StepFacts {
  readonly key: string;
  readonly ingredients: Json;
  /** The instruction as written, on one line. */
  readonly instruction: string;
  /** The lists of its context sources, as far as they are kept. */
  readonly lists?: StepLists | undefined;
  /** Names of the base images that its ingredients mention, by digest. */
  readonly references?: Readonly<Record<string, string>> | undefined;
  /** Names of those variables of a RUN that come from ARG. */
  readonly arguments?: readonly string[] | undefined;
}

/** The members of a JSON object. */
export type Fields = { readonly [name: string]: Json | undefined };

/** Longer texts are cut in explanations; their ends say nothing that their beginnings do not. */
const MAX_TEXT = 4096;

/** The members of a value; none if it is no object. */
export function fieldsOf(value: Json | undefined): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The members of a list; none if it is no list. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** The texts in a list; what is none is written as JSON. */
export function textsOf(value: Json | undefined): readonly string[] {
  return itemsOf(value).map((item) => (typeof item === "string" ? item : canonicalJson(item)));
}

/** True for values that make the same part of a key. */
export function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** A text as it may be shown: of bounded length, without user names and passwords of addresses. */
export function shownText(text: string): string {
  const hidden = hideUserinfo(text);
  return hidden.length > MAX_TEXT ? `${hidden.slice(0, MAX_TEXT)}…` : hidden;
}

/** Two steps that are compared, and what has been found. */
export class Comparing {
  readonly before: StepFacts;
  readonly after: StepFacts;
  readonly old: Fields;
  readonly fresh: Fields;
  readonly changes: Change[] = [];
  readonly #paths = new Map<StepLists, ReadonlyMap<string, string>>();

  constructor(before: StepFacts, after: StepFacts) {
    this.before = before;
    this.after = after;
    this.old = fieldsOf(before.ingredients);
    this.fresh = fieldsOf(after.ingredients);
  }

  /** True if an ingredient is another one. */
  differs(name: string): boolean {
    return !isSame(this.old[name], this.fresh[name]);
  }

  add(...changes: readonly Change[]): void {
    this.changes.push(...changes);
  }

  /** Tells a setting of its own name, or of another. */
  setting(name: SettingName): void {
    if (!this.differs(name)) return;
    const [before, after] = [this.old[name], this.fresh[name]].map((value) =>
      typeof value === "string" ? shownText(value) : value,
    );
    const change: SettingChange = {
      what: "setting",
      name,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    };
    this.add(change);
  }

  /** Where a root lies in its context, as far as that is known. */
  pathOf(lists: StepLists | undefined, at: RootPlace): string | undefined {
    if (!lists) return undefined;
    let paths = this.#paths.get(lists);
    if (!paths) {
      paths = new Map(lists.roots.map((root) => [placeKey(root.at), root.path]));
      this.#paths.set(lists, paths);
    }
    return paths.get(placeKey(at));
  }

  /** What differs between two roots of lists; undefined if that is not known any more. */
  files(
    before: RootIn | undefined,
    after: RootIn | undefined,
    ignoreModes = this.ignoreModes,
  ): FileDifference | undefined {
    const sides = [this.#side(this.before.lists, before), this.#side(this.after.lists, after)];
    if ((before && !sides[0]) || (after && !sides[1])) return undefined;
    return diffFiles(sides[0], sides[1], ignoreModes);
  }

  /** Modes of files are those that `--chmod` gives them: where it differs, they follow from it. */
  get ignoreModes(): boolean {
    return this.differs("chmod");
  }

  /** A difference of files as a change; nothing if they differ in nothing that is to be told. */
  filesChange(source: SourceRef, before: RootIn, after: RootIn): void {
    const ignoreModes = source.kind === "word" && this.ignoreModes;
    const found = this.files(before, after, ignoreModes);
    if (found) this.addFiles(source, [found]);
    else if (!ignoreModes) this.add({ what: "files", source, known: false });
  }

  /** What was found in several roots of one source. */
  addFiles(source: SourceRef, found: readonly FileDifference[]): void {
    const files = found.flatMap((difference) => difference.files);
    if (files.length === 0) return;
    const sum = (of: (difference: FileDifference) => number): number => found.reduce((all, one) => all + of(one), 0);
    const totals = {
      files: sum(({ totals: { files: count } }) => count),
      differing: sum(({ totals: { differing } }) => differing),
      directories: sum(({ totals: { directories } }) => directories),
    };
    const change: FilesChange = { what: "files", source, known: true, totals, files };
    this.add(change);
  }

  #side(lists: StepLists | undefined, root: RootIn | undefined): FileSide | undefined {
    if (!lists || !root) return undefined;
    return { lists, digest: root.digest, path: this.pathOf(lists, root.at) ?? "" };
  }
}

/** A root of lists by its place and digest. */
export interface RootIn {
  readonly at: RootPlace;
  readonly digest: string;
}

function placeKey(at: RootPlace): string {
  return at.kind === "word" ? `word ${at.word} ${at.match}` : at.kind === "mount" ? `mount ${at.mount}` : at.kind;
}

/** Members that came and went, and whether those that stayed stand in another order; undefined if nothing differs. */
export function setDifference(
  before: readonly string[],
  after: readonly string[],
): { readonly added: readonly string[]; readonly removed: readonly string[]; readonly reordered?: true } | undefined {
  const removed = without(before, after);
  const added = without(after, before);
  const stayed = (all: readonly string[], gone: readonly string[]): string => JSON.stringify(without(all, gone));
  const reordered = stayed(before, removed) !== stayed(after, added);
  if (removed.length === 0 && added.length === 0 && !reordered) return undefined;
  const shown = (texts: readonly string[]): readonly string[] => texts.map(shownText);
  return { added: shown(added), removed: shown(removed), ...(reordered ? { reordered } : {}) };
}

/** What of the first list is not in the second, as often as it is not there. */
function without(all: readonly string[], taken: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of taken) left.set(text, (left.get(text) ?? 0) + 1);
  return all.filter((text) => {
    const count = left.get(text) ?? 0;
    if (count > 0) left.set(text, count - 1);
    return count === 0;
  });
}
