/** Rules about an image's config: user, labels, base, ports, platform, age, variables. */

import { resolvePath } from "../layer/fileTree.js";
import type { MergedNode } from "../layer/layerTree.js";
import { formatPlatform, normalize, parsePlatform } from "../oci/platform.js";
import { formatReference, parseReference, shortenName } from "../oci/reference.js";
import { decodeText } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { formatAge } from "../support/human.js";
import { mayBeSecret } from "../support/secretNames.js";
import type { BaseImage } from "./baseImage.js";
import type { GateRuleName, GateValue } from "./gateRules.js";
import type { GateFacts, GateOutcome } from "./gateTypes.js";
import { readSmall, treeOf } from "./mergedTree.js";
import { compileGlob } from "./nameGlob.js";
import type { OpenedImage } from "./types.js";

/** Largest passwd file that is read. */
const MAX_PASSWD = 1 << 20;

/** Checks a rule about the config. @throws NacreError as evaluateGate */
export async function checkConfig(name: GateRuleName, value: GateValue, facts: GateFacts): Promise<GateOutcome> {
  const { image } = facts;
  switch (name) {
    case "non-root":
      return nonRoot(image);
    case "required-labels":
      return labels(value as ReadonlyMap<string, RegExp | undefined>, image);
    case "allowed-bases":
      return bases(value as readonly string[], facts);
    case "platforms":
      return platforms(value as readonly string[], image);
    case "max-age":
      return age(value as number, facts);
    case "allowed-ports":
    case "forbidden-ports":
      return ports(value as readonly string[], name === "allowed-ports", image);
    case "no-secret-env":
      return variables(
        image,
        "none that looks like a secret",
        (variable, text) => text !== "" && mayBeSecret(variable, text),
      );
    default:
      return forbiddenEnv(value as readonly string[], image);
  }
}

async function nonRoot(image: OpenedImage): Promise<GateOutcome> {
  const user = image.config.config?.User ?? "";
  const [name = ""] = user.split(":");
  const uid = /^\d+$/.test(name) ? Number(name) : name === "" || name === "root" ? 0 : await uidOf(name, image);
  const isRoot = uid === 0;
  const shown = user === "" ? "no user, so root" : `user ${user}`;
  return {
    status: isRoot ? "FAIL" : "PASS",
    ...{ measured: user === "" ? "root" : user, allowed: "not root" },
    message: `the image has ${shown}${isRoot && user !== "" && name !== "root" && name !== "0" ? " with the id 0" : ""}`,
    ...(isRoot ? { advice: "set another user in the last stage: USER 1000" } : {}),
  };
}

/** The id of a named user; undefined if the image does not know it, so that nothing could start as root. */
async function uidOf(name: string, image: OpenedImage): Promise<number | undefined> {
  const tree = await treeOf(image);
  const node = resolvePath(tree, "etc/passwd", true).node as MergedNode | undefined;
  const bytes = await readSmall(image, tree, node, MAX_PASSWD);
  const line = decodeText(bytes ?? Buffer.alloc(0))
    .split("\n")
    .find((each) => each.startsWith(`${name}:`));
  const id = line?.split(":")[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : undefined;
}

function labels(wanted: ReadonlyMap<string, RegExp | undefined>, image: OpenedImage): GateOutcome {
  const found = image.config.config?.Labels ?? {};
  const problems = [...wanted].flatMap(([name, pattern]) => {
    const value = Object.hasOwn(found, name) ? found[name] : undefined;
    if (value === undefined) return [`there is no label ${name}`];
    return pattern === undefined || pattern.test(value)
      ? []
      : [`${name} is ${JSON.stringify(value)}, which does not match ${pattern.source}`];
  });
  return listed(problems, `${wanted.size - problems.length} of ${wanted.size}`, [...wanted.keys()].join(" "), {
    good: "all labels are there",
    advice: "set it: LABEL name=value, or build --label name=value",
  });
}

/** Patterns are compared with the base's name as it stands, in full, without its tag, and with its digest. */
function bases(patterns: readonly string[], { image, base }: GateFacts): GateOutcome {
  const matchers = patterns.map((pattern) => compileGlob(pattern));
  const found = base();
  const names = found === undefined ? ["scratch"] : namesOf(found);
  const isAllowed = names.some((name) => matchers.some((matches) => matches(name)));
  const shown = found?.name ?? found?.digest ?? "unknown, or none";
  return {
    status: isAllowed ? "PASS" : "FAIL",
    ...{ measured: shown, allowed: patterns.join(" ") },
    message:
      found === undefined
        ? `the base of ${image.shown} is not known; without one it is scratch`
        : `the base is ${shown}`,
    ...(isAllowed
      ? {}
      : {
          advice:
            found === undefined
              ? "say what it is with the annotation org.opencontainers.image.base.name, or allow scratch"
              : "build FROM one of the allowed images",
        }),
  };
}

function namesOf({ name, digest }: BaseImage): string[] {
  const names = [...(name === undefined ? [] : [name]), ...(digest === undefined ? [] : [digest])];
  if (name === undefined) return names;
  try {
    const full = formatReference(parseReference(name));
    const spellings = [full, shortenName(full)].map((spelling) => spelling.replace(/@.*$/, ""));
    return [...names, full, ...spellings, ...spellings.map((spelling) => spelling.replace(/:[^/:]*$/, ""))];
  } catch (error) {
    if (error instanceof NacreError) return names;
    throw error;
  }
}

function platforms(wanted: readonly string[], image: OpenedImage): GateOutcome {
  const own = formatPlatform(image.platform);
  const isOne = wanted.some((text) => formatPlatform(normalize(parsePlatform(text))) === own);
  return {
    status: isOne ? "PASS" : "FAIL",
    ...{ measured: own, allowed: wanted.join(" "), message: `the image is for ${own}` },
    ...(isOne ? {} : { advice: `build with --platform ${wanted[0]}` }),
  };
}

function age(limit: number, { image, context }: GateFacts): GateOutcome {
  const created = Date.parse(image.config.created ?? "");
  const allowed = `at most ${exactly(limit)}`;
  if (Number.isNaN(created)) {
    return {
      ...{ status: "FAIL", measured: "unknown", allowed, message: "the image does not say when it was created" },
      advice: "build it with a builder that tells",
    };
  }
  const old = context.now - created;
  return {
    status: old > limit ? "FAIL" : "PASS",
    ...{ measured: formatAge(old), value: old, allowed },
    message: `the image was created ${formatAge(old)} ago, at ${image.config.created}`,
    ...(old > limit
      ? { advice: "build it again, from a current base (reproducible builds: set SOURCE_DATE_EPOCH)" }
      : {}),
  };
}

/** A limit as it was meant: not rounded to months. */
function exactly(milliseconds: number): string {
  const hours = milliseconds / 3_600_000;
  return hours < 48 ? `${Number(hours.toFixed(2))} hours` : `${Number((hours / 24).toFixed(2))} days`;
}

function ports(patterns: readonly string[], isAllowed: boolean, image: OpenedImage): GateOutcome {
  const ranges = patterns.map(portRange);
  const exposed = Object.keys(image.config.config?.ExposedPorts ?? {});
  const bad = exposed.filter((port) => ranges.some((range) => isIn(port, range)) !== isAllowed);
  const problems = bad.map((port) => `port ${port} is exposed`);
  const allowed = `${isAllowed ? "only" : "none of"} ${patterns.join(" ")}`;
  return listed(problems, exposed.length === 0 ? "none" : exposed.join(" "), allowed, {
    good: exposed.length === 0 ? "no port is exposed" : "only allowed ports are exposed",
    advice: "leave its EXPOSE out, or allow it",
  });
}

interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: string | undefined;
}

function portRange(text: string): PortRange {
  const [, first, last = first, protocol] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (first !== undefined) return { first: Number(first), last: Number(last), protocol };
  throw new NacreError("USAGE", `not a port: ${JSON.stringify(text)}`, {
    hint: "write e.g. 80, 53/udp or 8000-8100/tcp",
  });
}

function isIn(port: string, { first, last, protocol }: PortRange): boolean {
  const [number = "", kind = "tcp"] = port.split("/");
  return (protocol ?? kind) === kind && Number(number) >= first && Number(number) <= last;
}

function forbiddenEnv(patterns: readonly string[], image: OpenedImage): GateOutcome {
  const matchers = patterns.map((pattern) => compileGlob(pattern));
  return variables(image, `none of ${patterns.join(" ")}`, (name) => matchers.some((matches) => matches(name)));
}

/** Names alone are told: a value may be the secret. */
function variables(image: OpenedImage, allowed: string, isBad: (name: string, value: string) => boolean): GateOutcome {
  const pairs = (image.config.config?.Env ?? []).map((pair) => {
    const at = pair.indexOf("=");
    return at < 0 ? ([pair, ""] as const) : ([pair.slice(0, at), pair.slice(at + 1)] as const);
  });
  const bad = pairs.filter(([name, value]) => isBad(name, value)).map(([name]) => `the variable ${name} is set`);
  return listed(bad, `${bad.length} of ${pairs.length} variables`, allowed, {
    good: "no variable offends",
    advice:
      "hand secrets to builds with RUN --mount=type=secret, and to containers when they start; change what was published",
  });
}

function listed(
  problems: readonly string[],
  measured: string,
  allowed: string,
  text: { readonly good: string; readonly advice: string },
): GateOutcome {
  const isBad = problems.length > 0;
  return {
    status: isBad ? "FAIL" : "PASS",
    ...{ measured, allowed, message: isBad ? problems.join("; ") : text.good },
    ...(isBad ? { advice: text.advice, findings: problems } : {}),
  };
}
