/** The part of `nacre info` about the isolation of RUN. */
import type { IsolationInfo } from "../../index.js";
import { renderPairs } from "../table.js";

/** What cannot be kept of files, in words. */
const LOSSES = {
  owners: "owners of files",
  devices: "device nodes",
  xattrs: "extended attributes",
} as const;

/** Its lines. */
export function renderIsolation(info: IsolationInfo | { readonly error: string }): string[] {
  if ("error" in info) return [`cannot be tried: ${info.error}`];
  const levels = info.levels.map(({ level, works, why, help, runtime }): readonly [string, string] => {
    if (works) return [level, runtime === undefined ? "works" : `works, with ${runtime}`];
    return [level, `${why ?? "does not work"}${help === undefined ? "" : `; ${help}`}`];
  });
  const tools = info.tools.map(({ name, path, version }): readonly [string, string] => [
    name,
    path === undefined ? "not found" : version === undefined ? path : `${path} (${version})`,
  ]);
  return [...renderPairs([...levels, ...chosenPairs(info), ...tools])];
}

function chosenPairs({ auto }: IsolationInfo): (readonly [string, string])[] {
  if (auto === undefined) return [["auto takes", "nothing"]];
  const { level, rootless, users, groups, losses, upper, warnings } = auto;
  const pairs: (readonly [string, string])[] = [
    ["auto takes", `${level}, ${rootless ? "rootless" : "as root"}`],
    ["ids", `${count(users, "user")}, ${count(groups, "group")}`],
  ];
  if (upper !== undefined) pairs.push(["overlays", upper === "store" ? "in the store" : "on a tmpfs of limited size"]);
  if (losses.length > 0) pairs.push(["not kept", losses.map((loss) => LOSSES[loss]).join(", ")]);
  for (const warning of warnings) pairs.push(["warning", warning]);
  return pairs;
}

function count(number: number, noun: string): string {
  // All that there are: no user namespace.
  return number >= 2 ** 32 - 1 ? `all ${noun}s` : `${number} ${noun}${number === 1 ? "" : "s"}`;
}
