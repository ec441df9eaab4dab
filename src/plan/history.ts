/** The `created_by` lines of an image's history, to the character as BuildKit writes them. */
import type { Healthcheck } from "../oci/documents.js";
import type { Environment } from "./environment.js";
import { goDuration, goList, goQuoteList, goQuoteRune } from "./goFormat.js";

/** The `comment` of every line that an instruction adds. */
export const HISTORY_COMMENT = "buildkit.dockerfile.v0";

/** Ends the lines of instructions whose file system comes from BuildKit's executor or file operations, but WORKDIR. */
const MARK = " # buildkit";

/** `ENV a=b c=d`, `LABEL a=b`. */
export function pairsLine(keyword: "ENV" | "LABEL", pairs: readonly (readonly [string, string])[]): string {
  return `${keyword}${pairs.map(([key, value]) => ` ${key}=${value}`).join("")}`;
}

/** `ARG a=b c`: a name without a value stands alone. */
export function argLine(args: readonly (readonly [string, string | undefined])[]): string {
  return `ARG ${args.map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join(" ")}`;
}

/** `CMD ["a" "b c"]`, `ENTRYPOINT […]`: words quoted as Go quotes. */
export function commandLine(keyword: "CMD" | "ENTRYPOINT", args: readonly string[]): string {
  return `${keyword} ${goQuoteList(args)}`;
}

/** `SHELL [/bin/sh -c]`, `VOLUME [/a /b]`, `EXPOSE [80/tcp]`: words as they are. */
export function listLine(keyword: "SHELL" | "VOLUME" | "EXPOSE", words: readonly string[]): string {
  return `${keyword} ${goList(words)}`;
}

/** `HEALTHCHECK &{["CMD" "true"] "30s" "0s" "0s" "0s" '\x03'}`: the struct as Go's `%q` shows it, retries as a character. */
export function healthcheckLine(health: Healthcheck): string {
  const durations = [health.Interval, health.Timeout, health.StartPeriod, health.StartInterval];
  const texts = durations.map((value) => `"${goDuration(value ?? 0)}"`).join(" ");
  return `HEALTHCHECK &{${goQuoteList(health.Test ?? [])} ${texts} ${goQuoteRune(health.Retries ?? 0)}}`;
}

/**
 * `RUN |2 A=1 B=2 /bin/sh -c text # buildkit`: before the command the ARGs known in the stage, each once, with the value
 * that the environment has now.
 */
export function runLine(
  args: readonly string[],
  declared: ReadonlyMap<string, string | undefined>,
  env: Environment,
): string {
  const values = [...declared].map(([name, value]) => `${name}=${env.get(name) ?? value ?? ""}`);
  const prefix = values.length > 0 ? [`|${values.length}`, ...values] : [];
  return `RUN ${[...prefix, ...args].join(" ")}${MARK}`;
}

/** What the line of a COPY or ADD shows. Sources and destination are expanded, but not joined to the working directory. */
export interface CopyLine {
  readonly keyword: "COPY" | "ADD";
  readonly parents: boolean;
  readonly chown: string;
  readonly chmod: string;
  readonly sources: readonly string[];
  readonly heredocs: readonly string[];
  readonly destination: string;
}

/** `COPY --chown=1:2 a b <<EOF /dest # buildkit`; `--from`, `--link`, `--exclude` and ADD's own flags are not shown. */
export function copyLine(copy: CopyLine): string {
  const words = [
    copy.keyword,
    ...(copy.parents ? ["--parents"] : []),
    ...(copy.chown ? [`--chown=${copy.chown}`] : []),
    ...(copy.chmod ? [`--chmod=${copy.chmod}`] : []),
    ...copy.sources,
    ...copy.heredocs.map((name) => `<<${name}`),
    copy.destination,
  ];
  return `${words.join(" ")}${MARK}`;
}
