/** What is different about how two images start and what they say of themselves: configs and annotations. Pure. */
import type { ImageConfig } from "../oci/documents.js";
import { canonicalJson, type Json } from "../support/json.js";

/** A value that is not the same in both. */
export interface ConfigChange {
  /**
   * What it is: `env`, `entrypoint`, `cmd`, `user`, `workdir`, `label`, `port`, `volume`, `healthcheck`, `stopsignal`, `shell`,
   * `onbuild`, `platform`, `created`, `author`, `annotation`, `media type`, or the field's own name.
   */
  readonly field: string;
  /** Of maps: which of its values, e.g. the name of a variable. */
  readonly key?: string | undefined;
  readonly kind: "added" | "removed" | "changed";
  readonly before?: Json | undefined;
  readonly after?: Json | undefined;
}

/** What is compared of an image. */
export interface DescribedImage {
  readonly config: ImageConfig;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Of the manifest. */
  readonly mediaType: string;
}

/** Fields with names that people know better. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ Entrypoint: "entrypoint", Cmd: "cmd", User: "user", WorkingDir: "workdir", StopSignal: "stopsignal" },
  ...{ Healthcheck: "healthcheck", Shell: "shell", OnBuild: "onbuild" },
};
/** Fields of the config that are compared on their own, or that belong to the layers. */
const OTHERS = new Set(["architecture", "os", "variant", "os.version", "os.features", "config", "rootfs", "history"]);
const MAPS = { Labels: "label", ExposedPorts: "port", Volumes: "volume" } as const;

/** Compares configs and annotations, in an order of which the most telling comes first. */
export function diffConfigs(a: DescribedImage, b: DescribedImage): ConfigChange[] {
  const [before, after] = [a.config.config ?? {}, b.config.config ?? {}];
  const changes = [one("platform", platformOf(a.config), platformOf(b.config)), ...environment(before.Env, after.Env)];
  const handled = new Set<string>(["Env", ...Object.keys(MAPS)]);
  for (const key of [...Object.keys(NAMES), ...keysOf(before, after)]) {
    if (handled.has(key)) continue;
    handled.add(key);
    changes.push(one(NAMES[key] ?? key, fieldOf(before, key), fieldOf(after, key)));
  }
  for (const [key, field] of Object.entries(MAPS)) {
    changes.push(...maps(field, fieldOf(before, key), fieldOf(after, key)));
  }
  for (const key of keysOf(a.config, b.config)) {
    if (!OTHERS.has(key)) changes.push(one(key, fieldOf(a.config, key), fieldOf(b.config, key)));
  }
  changes.push(...maps("annotation", a.annotations, b.annotations), one("media type", a.mediaType, b.mediaType));
  return changes.filter((change) => change !== undefined);
}

/** True for what only tells when something was made: the times that `--semantic` leaves aside. */
export function isTime({ field, key }: ConfigChange): boolean {
  return (
    field === "created" || ((field === "label" || field === "annotation") && key === "org.opencontainers.image.created")
  );
}

/** True for what only tells by what name an image is known, or how it is packed. */
export function isNameOrForm({ field, key = "" }: ConfigChange): boolean {
  if (field === "media type") return true;
  return field === "annotation" && /^(?:org\.opencontainers\.image\.ref\.name|io\.containerd\.image\.name)$/.test(key);
}

function platformOf(config: ImageConfig): Json {
  const { os, architecture, variant } = config;
  const features = config["os.features"] ?? [];
  const version = config["os.version"];
  return [os, architecture, variant].filter(Boolean).join("/") + (version ? `:${version}` : "") + features.join("+");
}

/** Fields that are null, empty or absent say the same. */
function fieldOf(object: object, key: string): Json | undefined {
  const value = (object as Readonly<Record<string, Json | undefined | null>>)[key];
  if (value === undefined || value === null || value === "" || value === false) return undefined;
  return typeof value === "object" && Object.keys(value).length === 0 ? undefined : value;
}

function keysOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function one(field: string, before: Json | undefined, after: Json | undefined, key?: string): ConfigChange | undefined {
  if (before === undefined && after === undefined) return undefined;
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return undefined;
  const kind = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  return {
    field,
    ...(key === undefined ? {} : { key }),
    kind,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

/** Values of a map by key. Those of ports and volumes are empty objects: only their keys tell something. */
function maps(field: string, before: unknown, after: unknown): (ConfigChange | undefined)[] {
  const [a, b] = [before, after].map((value) => new Map(Object.entries((value ?? {}) as Record<string, Json>)));
  return keysOf(Object.fromEntries(a!), Object.fromEntries(b!)).map((key) => one(field, a!.get(key), b!.get(key), key));
}

type Strings = readonly string[] | null | undefined;

/** Variables by name; if only their order is another one, that is told: a later one wins, and some programs care. */
function environment(before: Strings, after: Strings): (ConfigChange | undefined)[] {
  const [a, b] = [variables(before), variables(after)];
  const names = new Set([...a.keys(), ...b.keys()]);
  const changes = [...names].map((name) => one("env", a.get(name), b.get(name), name)).filter(Boolean);
  if (changes.length > 0) return changes;
  return [one("env", [...(before ?? [])], [...(after ?? [])])];
}

function variables(env: Strings): Map<string, Json> {
  return new Map(
    (env ?? []).map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
