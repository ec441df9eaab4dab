/**
 * What steps are called on screen: `[build 2/5] COPY . /app`. Numbers count the base image, RUN, COPY, ADD and WORKDIR of
 * a stage; instructions without a layer are no steps (BuildKit: prefixCommand, processCmdEnv).
 */
import type { CopyInstruction, EscapeToken, Heredoc, RunInstruction, WorkdirInstruction } from "../dockerfile/ast.js";
import { expandWord } from "../dockerfile/expand.js";
import { formatPlatform, normalize, type Platform, parsePlatform } from "../oci/platform.js";
import type { Environment } from "./environment.js";
import type { ReachedStage } from "./reach.js";

/** Counts the steps of a stage as they are shown. */
export class Numbering {
  readonly #stage: string;
  readonly #total: number;
  readonly #platform: Platform | undefined;
  #done = 0;

  /**
   * @param stage name to show, empty if there is but one stage
   * @param platform that of the stage, to be shown; BuildKit does so in builds of several platforms
   */
  constructor(stage: string, total: number, platform?: Platform) {
    this.#stage = stage;
    this.#total = total;
    this.#platform = platform;
  }

  /** The label of the next step, numbers padded to equal width: `[build  2/10] text`. @param env of the stage so far */
  next(text: string, env?: Environment): string {
    this.#done++;
    const platform = this.#platform ? `${platformPrefix(this.#platform, env)} ` : "";
    const number = String(this.#done).padStart(String(this.#total).length);
    return `[${platform}${this.#stage ? `${this.#stage} ` : ""}${number}/${this.#total}] ${text}`;
  }
}

/** `linux/amd64`, or `linux/amd64->arm64` once the stage has said, by its variables, that it builds for another machine. */
function platformPrefix(platform: Platform, env: Environment | undefined): string {
  const own = formatPlatform(platform);
  const target = env && targetOf(platform, env);
  if (!target || (target.os === platform.os && target.architecture === platform.architecture)) return own;
  const { os, ...machine } = target;
  const shown = [machine.architecture, ...(machine.variant ? [machine.variant] : [])].join("/");
  return `${own}->${os === platform.os ? shown : `${os}/${shown}`}`;
}

function targetOf(platform: Platform, env: Environment): Platform | undefined {
  const whole = env.get("TARGETPLATFORM");
  try {
    if (whole) return parsePlatform(whole);
  } catch {
    return undefined; // Only a label: what is no platform is not shown.
  }
  const os = env.get("TARGETOS") || platform.os;
  const architecture = env.get("TARGETARCH") || platform.architecture;
  return normalize({ os, architecture, variant: env.get("TARGETVARIANT") || undefined });
}

/** How many steps a stage is said to have. `WORKDIR /` counts, although it is never shown (BuildKit does so). */
export function countSteps({ node, instructions }: ReachedStage): number {
  const steps = instructions.filter(({ keyword }) => ["RUN", "COPY", "ADD", "WORKDIR"].includes(keyword));
  return steps.length + (node.base.kind === "image" ? 1 : 0);
}

/** The text of a COPY, ADD or WORKDIR step: the line as written, with variables expanded and quotes gone. */
export function fileStepText(
  instruction: CopyInstruction | WorkdirInstruction,
  env: Environment,
  token: EscapeToken,
): string {
  return finish(instruction, expandAll(instruction.source, env, token));
}

/**
 * The text of a RUN step: set variables expanded, quotes kept, and what a simple heredoc begins with in parentheses.
 * @param heredoc the only heredoc of a RUN that is nothing else
 * @param secrets names of variables that come from secrets: shown as `****`
 */
export function runStepText(
  instruction: RunInstruction,
  env: Environment,
  token: EscapeToken,
  heredoc: Heredoc | undefined,
  secrets: readonly string[],
): string {
  const shown = env.clone();
  for (const name of secrets) shown.set(name, "****");
  const text = heredoc ? `${instruction.source} (${summary(heredoc.body)})` : instruction.source;
  return finish(instruction, expandSet(text, shown, token));
}

function finish(instruction: { readonly onbuild?: boolean | undefined }, text: string): string {
  const [keyword = "", ...rest] = text.split(" ");
  const line = [keyword.toUpperCase(), ...rest].join(" ").replace(/\s*[\r\n]\s*/g, " ");
  return instruction.onbuild ? `ONBUILD ${line}` : line;
}

function summary(body: string): string {
  const [first = "", ...more] = body.trim().split(/\r?\n/);
  return more.length > 0 ? `${first}...` : first;
}

function expandAll(text: string, env: Environment, token: EscapeToken): string {
  try {
    return expandWord(text, env, token);
  } catch {
    return text; // Only a label: what cannot be expanded is shown as it stands.
  }
}

/** Replaces `$name` and `${name}` where the name is set; single-quoted text and everything else stays. */
function expandSet(text: string, env: Environment, token: EscapeToken): string {
  let out = "";
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === token && quote !== "'" && (quote === "" || `"$${token}`.includes(text[i + 1] ?? "x"))) {
      i++;
      out += text[i] ?? "";
    } else if (char === "$" && quote !== "'") {
      const [whole = "$", plain, braced] =
        /^\$(?:([\p{L}_][\p{L}\p{Nd}_]*)|\{([\p{L}_][\p{L}\p{Nd}_]*)\})/u.exec(text.slice(i)) ?? [];
      out += env.get(plain ?? braced ?? "") ?? whole;
      i += whole.length - 1;
    } else {
      if (char === quote) quote = "";
      else if (quote === "" && (char === "'" || char === '"')) quote = char;
      out += char;
    }
  }
  return quote === "" ? out : text;
}
