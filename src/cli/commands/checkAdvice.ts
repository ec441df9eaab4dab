/** What nacre's own checks add to `nacre build --check`: they look at the context too, and never change the exit code. */
import type { BuildRequest, DockerfileReport, Finding } from "../../index.js";
import { isNacreError } from "../../support/errors.js";
import { type Invocation, note } from "../invocation.js";
import { printable, printableLines } from "../terminalText.js";
import type { CheckStyle } from "./checkDockerfileText.js";

/**
 * The advice on a request. A context that cannot be looked at costs the advice, not the check; so does an error in the
 * Dockerfile, but not a base that is missing.
 */
export async function adviceOf(
  invocation: Invocation,
  request: BuildRequest,
  { error: failure }: DockerfileReport,
): Promise<readonly Finding[]> {
  const { context } = request;
  if (typeof context !== "string" || (failure && failure.code !== "BASE_NOT_FOUND")) return [];
  try {
    const { adviseContext } = await import("../../index.js");
    return await adviseContext({ ...request, context, signal: invocation.signal });
  } catch (error) {
    if (!isNacreError(error) || error.code === "CANCELLED") throw error;
    note(invocation, `the context was not checked: ${printable(error.message)}`);
    return [];
  }
}

/** The lines of the advice, below the findings. */
export function renderAdvice(advice: readonly Finding[], { paint, excerpt }: CheckStyle): string[] {
  return advice.flatMap(({ rule, detail, fix, place }) => [
    "",
    `${paint("hint", "ADVICE:")} ${paint("strong", rule)}`,
    printableLines(detail),
    ...printableLines(excerpt(place)).split("\n"),
    ...(fix ? [`${paint("hint", "hint:")} ${printableLines(fix)}`] : []),
  ]);
}
