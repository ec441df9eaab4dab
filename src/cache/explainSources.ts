/** What differs of the sources of a COPY or ADD. */
import { hasWildcard } from "../context/match.js";
import { cleanPath } from "../layer/fileTree.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import type { Json } from "../support/json.js";
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
import { explainMatches, explainSingle, type Word } from "./explainMatches.js";
import type { StepLists } from "./stepLists.js";
import type { SourceRef } from "./why.js";

/** Tells how the sources differ, if they do. */
export function explainSources(comparing: Comparing, inputs: InputsByKey): void {
  if (!comparing.differs("sources")) return;
  const [old, fresh] = [fieldsOf(comparing.old.sources), fieldsOf(comparing.fresh.sources)];
  if (old.kind !== fresh.kind) {
    explainInput(comparing, inputs, { role: "source" }, fromOf(old), fromOf(fresh));
  } else if (fresh.kind === "paths") {
    set(comparing, "paths", old.words, fresh.words);
    set(comparing, "exclude", old.exclude, fresh.exclude);
    explainInput(comparing, inputs, { role: "source" }, old.from, fresh.from);
  } else if (!comparing.differs("parents")) {
    // With --parents, or without, what stands for a word is another thing altogether.
    explainWords(comparing, wordsOf(old, comparing.before.lists), wordsOf(fresh, comparing.after.lists));
  }
}

function fromOf({ kind, from }: Fields): Json | undefined {
  return kind === "paths" ? from : { kind: "context" };
}

function set(comparing: Comparing, what: "paths" | "exclude", before: Json | undefined, after: Json | undefined): void {
  const difference = setDifference(textsOf(before), textsOf(after));
  if (difference) comparing.add({ what, ...difference });
}

function wordsOf(sources: Fields, lists: StepLists | undefined): readonly Word[] {
  const words = itemsOf(sources.words);
  const facts = lists?.words.length === words.length ? lists.words : undefined;
  return words.map((word, index) => ({
    index,
    fields: fieldsOf(word),
    text: facts?.[index]?.text,
    remote: facts?.[index]?.remote ?? false,
  }));
}

function explainWords(comparing: Comparing, old: readonly Word[], fresh: readonly Word[]): void {
  const pairs = pairWords(comparing, old, fresh);
  const taken = new Set(pairs.map(([before]) => before));
  const kept = new Set(pairs.map(([, after]) => after));
  const added = fresh.filter((word) => !kept.has(word)).map(nameOf);
  const removed = old.filter((word) => !taken.has(word)).map(nameOf);
  const order = pairs.map(([before]) => before.fields);
  const reordered = !isSame(
    order,
    old.filter((word) => taken.has(word)).map(({ fields }) => fields),
  );
  if (added.length > 0 || removed.length > 0 || reordered)
    comparing.add({ what: "sources", added, removed, ...(reordered ? { reordered } : {}) });
  for (const [before, after] of pairs) if (!isSame(before.fields, after.fields)) explainWord(comparing, before, after);
}

function nameOf({ text, index }: Word): string {
  return text === undefined ? `source ${index + 1}` : shownText(text);
}

/** In the order of the later words: words of equal meaning, then those whose files are equal; by number where no text is known. */
function pairWords(comparing: Comparing, old: readonly Word[], fresh: readonly Word[]): (readonly [Word, Word])[] {
  const parents = comparing.fresh.parents === true;
  if ([...old, ...fresh].some(({ text }) => text === undefined)) {
    return fresh.flatMap((word, i) => (old[i] ? [[old[i], word] as const] : []));
  }
  const found = new Map<Word, Word>();
  const left = new Set(old);
  const take = (same: (a: Word, b: Word) => string): void => {
    const waiting = new Map<string, Word[]>();
    for (const word of left) {
      const key = same(word, word);
      waiting.set(key, [...(waiting.get(key) ?? []), word]);
    }
    for (const word of fresh) {
      const match = found.has(word) ? undefined : waiting.get(same(word, word))?.shift();
      if (!match) continue;
      found.set(word, match);
      left.delete(match);
    }
  };
  take(({ text, remote }) => (remote || parents ? text! : cleanPath(toByteString(text!))));
  take(({ fields }) => JSON.stringify(fields));
  return fresh.flatMap((word) => (found.has(word) ? [[found.get(word)!, word] as const] : []));
}

function explainWord(comparing: Comparing, before: Word, after: Word): void {
  const source: SourceRef = {
    kind: "word",
    word: after.index,
    ...(after.text === undefined ? {} : { text: shownText(after.text) }),
  };
  if (before.remote || after.remote) {
    explainRemote(comparing, source, before, after);
  } else if (hasWildcard(after.text ?? before.text ?? "") || countOf(before) !== 1 || countOf(after) !== 1) {
    explainMatches(comparing, source, before, after);
  } else {
    explainSingle(comparing, source, before, after);
  }
}

function countOf({ fields }: Word): number {
  return itemsOf(fields.matches).length;
}

function explainRemote(comparing: Comparing, source: SourceRef, before: Word, after: Word): void {
  const [old, fresh] = [before, after].map(({ fields }) => fieldsOf(itemsOf(fields.matches)[0])) as [Fields, Fields];
  if (old.digest !== fresh.digest)
    comparing.add({ what: "download", source, before: String(old.digest), after: String(fresh.digest) });
  if (!isSame(old.name, fresh.name)) {
    const [was, is] = [old.name, fresh.name].map((name) => fromByteString(String(name ?? "")));
    comparing.add({ what: "name", source, before: was!, after: is! });
  }
  if (!isSame(before.fields.unpack, after.fields.unpack)) {
    const { unpack: was } = before.fields;
    const { unpack: is } = after.fields;
    comparing.add({ what: "setting", name: "unpack", before: was ?? false, after: is ?? false });
  }
  set(comparing, "exclude", before.fields.exclude, after.fields.exclude);
}
