/** Which of the builds that are kept someone wants to see. */
import { shortenName } from "../oci/reference.js";
import type { BuildHead } from "./buildEntry.js";

/** Each that is given must be met; of a list, one of its values. */
export interface BuildFilters {
  readonly outcomes?: readonly BuildHead["outcome"][] | undefined;
  /** Title or a name of the image, with or without its tag; `*` stands for any characters. */
  readonly names?: readonly string[] | undefined;
  /** Identities of projects, or the beginnings of such. */
  readonly projects?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
  readonly platforms?: readonly string[] | undefined;
  /** Begun at this time or later, milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Begun before this time, milliseconds since 1970. */
  readonly until?: number | undefined;
}

/** True if a build is one of those that are wanted. */
export function isWanted(build: BuildHead, filters: BuildFilters): boolean {
  const { outcomes, names, projects, targets, platforms, since, until } = filters;
  return (
    (since === undefined || build.started >= since) &&
    (until === undefined || build.started < until) &&
    (outcomes === undefined || outcomes.includes(build.outcome)) &&
    (projects === undefined || projects.some((project) => build.project?.startsWith(project))) &&
    (targets === undefined || targets.includes(build.target ?? "")) &&
    (platforms === undefined || platforms.includes(build.platform ?? "")) &&
    (names === undefined || names.some((name) => isCalled(build, name)))
  );
}

function isCalled({ title, names }: BuildHead, wanted: string): boolean {
  const pattern = new RegExp(`^${wanted.split("*").map(escaped).join(".*")}$`, "s");
  const called = names.flatMap((name) => {
    const short = shortenName(name);
    return [name, short, short.replace(/:[^:/]*$/, "")];
  });
  return [...(title === undefined ? [] : [title]), ...called].some((name) => pattern.test(name));
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
