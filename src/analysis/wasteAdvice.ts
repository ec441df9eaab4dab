/**
 * What to do about waste: the instruction that hides and the one that stores tell which remedy fits. Advice, not certainty:
 * a history does not hold all that a Dockerfile says. Pure.
 */
import { formatBytes } from "../support/human.js";
import type { WasteCause } from "./wasteCopies.js";
import type { WasteAdvice, WasteLayer } from "./wasteTypes.js";

/** Longest part of an instruction that is repeated in a sentence. */
const MOST_TEXT = 60;

/** Directories that package managers fill for themselves, with what they belong to. */
const CACHES: readonly (readonly [pattern: RegExp, target: string])[] = [
  [/^var\/cache\/apt\//, "/var/cache/apt"],
  [/^var\/lib\/apt\/lists\//, "/var/lib/apt"],
  [/^var\/cache\/(?:apk|yum|dnf|zypp|pacman\/pkg)\//, "/var/cache"],
  [/^(?:root|home\/[^/]+)\/\.cache\/([^/]+)\//, "/root/.cache"],
  [/^(?:root|home\/[^/]+)\/\.npm\//, "/root/.npm"],
  [/^(?:root|home\/[^/]+)\/\.m2\//, "/root/.m2"],
  [/^(?:root|home\/[^/]+)\/\.gradle\//, "/root/.gradle"],
  [/^(?:root|home\/[^/]+)\/\.cargo\/registry\//, "/root/.cargo/registry"],
  [/^(?:root\/)?go\/pkg\/mod\//, "/go/pkg/mod"],
];

/** A layer with its instruction: `layer 7 RUN chown -R app /srv`. */
export function layerName({ number, instruction }: Pick<WasteLayer, "number" | "instruction">): string {
  return `layer ${number}${instruction === "" ? "" : ` ${shorten(instruction)}`}`;
}

/** Who does what to whom, in a sentence. @param lower stores, @param upper hides */
export function pairText(cause: WasteCause, bytes: number, lower: WasteLayer, upper: WasteLayer): string {
  const amount = formatBytes(bytes);
  const from = `layer ${lower.number}`;
  switch (cause) {
    case "duplicate-identical":
      return `${layerName(upper)} re-stores ${amount} of ${from} unchanged`;
    case "overwritten":
      return `${layerName(upper)} overwrites ${amount} of ${from}`;
    case "deleted":
      return `${layerName(upper)} deletes ${amount} that ${from} still stores`;
    case "moved":
      return `${layerName(upper)} removes ${amount} of ${from} that is stored again elsewhere`;
  }
}

/** The remedy for what one layer hides of another. @param examples paths without a leading slash */
export function advise(
  cause: WasteCause,
  lower: WasteLayer,
  upper: WasteLayer,
  examples: readonly string[],
): WasteAdvice {
  const stored = keywordOf(lower);
  const isBaseFile = lower.isBase === true && upper.isBase !== true;
  switch (cause) {
    case "duplicate-identical":
      return storedAgain(lower, upper, isBaseFile);
    case "moved":
      return moved(lower, upper, stored, isBaseFile);
    case "overwritten":
      return isBaseFile ? otherBase("overwriting", upper) : overwritten(lower, upper, stored);
    case "deleted":
      return isBaseFile ? otherBase("deleting", upper) : deleted(lower, upper, stored, examples);
  }
}

function storedAgain(lower: WasteLayer, upper: WasteLayer, isBaseFile: boolean): WasteAdvice {
  const by = keywordOf(upper);
  if (by === "COPY" || by === "ADD") {
    return {
      fix: "copy-once",
      text: `${layerName(upper)} copies files that are there already: copy only what is new, or leave the rest out with .dockerignore`,
    };
  }
  const change = changeOf(upper.instruction);
  const copied = keywordOf(lower) === "COPY" || keywordOf(lower) === "ADD";
  if (change !== undefined && copied && !isBaseFile) {
    return {
      fix: change.flag === "--chown" ? "copy-chown" : "copy-chmod",
      text: `write ${change.flag}=${change.value} on ${layerName(lower)}, and leave ${change.program} out`,
    };
  }
  if (change !== undefined && !isBaseFile) {
    return { fix: "same-run", text: `run ${change.program} in the same RUN that makes the files: ${layerName(lower)}` };
  }
  if (isBaseFile) {
    return {
      fix: "copy-less",
      text: `${layerName(upper)} writes files of the base again: change only those that need it`,
    };
  }
  return { fix: "same-run", text: `${layerName(upper)} only touches files of ${layerName(lower)}: join the two` };
}

function moved(lower: WasteLayer, upper: WasteLayer, stored: string, isBaseFile: boolean): WasteAdvice {
  if (stored === "COPY" || stored === "ADD") {
    return {
      fix: "copy-to-place",
      text: `let ${layerName(lower)} put the files where they belong, and leave the move out`,
    };
  }
  if (isBaseFile) {
    return {
      fix: "copy-less",
      text: `leave files of the base where they are (a link costs nothing): ${layerName(upper)}`,
    };
  }
  return { fix: "same-run", text: `move the files in the same RUN that makes them: ${layerName(lower)}` };
}

function overwritten(lower: WasteLayer, upper: WasteLayer, stored: string): WasteAdvice {
  const by = keywordOf(upper);
  const isCopied = stored === "COPY" || stored === "ADD";
  if (by === "RUN" && stored === "RUN") {
    return {
      fix: "same-run",
      text: `join the two instructions into one RUN: ${layerName(lower)} and ${layerName(upper)}`,
    };
  }
  if ((by === "COPY" || by === "ADD") && isCopied) {
    return {
      fix: "copy-once",
      text: `copy these files once: leave them out of ${layerName(lower)}, e.g. with --exclude or .dockerignore`,
    };
  }
  if (isCopied) {
    return {
      fix: "bind-mount",
      text: `let the RUN read its input from a mount (RUN --mount=type=bind) in place of ${layerName(lower)}`,
    };
  }
  return {
    fix: "change-order",
    text: `write these files once: ${layerName(upper)} replaces what ${layerName(lower)} made`,
  };
}

function deleted(lower: WasteLayer, upper: WasteLayer, stored: string, examples: readonly string[]): WasteAdvice {
  if (stored === "COPY" || stored === "ADD") {
    return {
      fix: keywordOf(upper) === "RUN" ? "bind-mount" : "copy-less",
      text: `do not copy what is deleted later: leave it out of ${layerName(lower)} (.dockerignore), or read it with RUN --mount=type=bind`,
    };
  }
  const cache = cacheOf(examples);
  if (cache !== undefined) {
    return {
      fix: "cache-mount",
      text: `add --mount=type=cache,target=${cache} to ${layerName(lower)}, or remove the files in that RUN`,
    };
  }
  return { fix: "remove-in-same-run", text: `remove the files in the RUN that makes them: ${layerName(lower)}` };
}

function otherBase(doing: string, upper: WasteLayer): WasteAdvice {
  return {
    fix: "other-base",
    text: `the files belong to the base image: ${doing} them in ${layerName(upper)} saves nothing, a newer or smaller base does`,
  };
}

/** The cache that all examples belong to. */
function cacheOf(examples: readonly string[]): string | undefined {
  const targets = examples.map((path) => CACHES.find(([pattern]) => pattern.test(path))?.[1]);
  return targets.every((target) => target !== undefined && target === targets[0]) ? targets[0] : undefined;
}

/** The change of owner or mode that a command makes, as COPY has it. */
function changeOf(
  instruction: string,
): { readonly program: string; readonly flag: string; readonly value: string } | undefined {
  const [, program = "", first = ""] = /\b(chown|chgrp|chmod)\s+(?:-\S+\s+)*(\S+)/.exec(instruction) ?? [];
  if (program === "") return undefined;
  if (program === "chmod") return { program, flag: "--chmod", value: first };
  return { program, flag: "--chown", value: program === "chgrp" ? `USER:${first}` : first };
}

function keywordOf({ instruction }: WasteLayer): string {
  return /^[A-Z]+(?= )/.exec(instruction)?.[0] ?? "";
}

function shorten(text: string): string {
  const points = [...text];
  return points.length <= MOST_TEXT ? text : `${points.slice(0, MOST_TEXT - 1).join("")}…`;
}
