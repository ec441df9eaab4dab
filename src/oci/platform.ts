/** Platforms: os, architecture and variant, normalized as containerd does. */
import { NacreError } from "../support/errors.js";

/** What an image runs on. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  /** `os.version` in JSON. */
  readonly osVersion?: string | undefined;
}

const OPERATING_SYSTEMS = new Set([
  "linux",
  "windows",
  "darwin",
  "freebsd",
  "openbsd",
  "netbsd",
  "dragonfly",
  "solaris",
  "aix",
  "plan9",
  "android",
  "js",
  "wasip1",
]);
const ARCHITECTURES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  amd64: ["amd64"],
  aarch64: ["arm64"],
  arm64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  arm: ["arm"],
  i386: ["386"],
  386: ["386"],
  riscv64: ["riscv64"],
  ppc64le: ["ppc64le"],
  ppc64: ["ppc64"],
  s390x: ["s390x"],
  mips64le: ["mips64le"],
  mips64: ["mips64"],
  mips: ["mips"],
  mipsle: ["mipsle"],
  loong64: ["loong64"],
  wasm: ["wasm"],
};

/**
 * Reads `os[/arch[/variant]]`, an architecture alone, an operating system alone, or `local`.
 * @throws NacreError USAGE
 */
export function parsePlatform(text: string): Platform {
  const bad = (): NacreError =>
    new NacreError("USAGE", `not a platform: ${JSON.stringify(text)}`, {
      hint: "write it as os/architecture[/variant], e.g. linux/arm64",
    });
  if (text === "local") return localPlatform();
  const match = /^([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.-]+)\))?(?:\/([A-Za-z0-9_.-]+))?(?:\/([A-Za-z0-9_.-]+))?$/.exec(
    text,
  );
  if (!match) throw bad();
  const [, first = "", osVersion, second, third] = match;
  const os = first.toLowerCase() === "macos" ? "darwin" : first.toLowerCase();
  if (second === undefined) {
    const local = localPlatform();
    if (OPERATING_SYSTEMS.has(os))
      return normalize({ os, architecture: local.architecture, variant: local.variant, osVersion });
    if (ARCHITECTURES[os]) return normalize({ os: local.os, architecture: os });
    throw bad();
  }
  return normalize({ os, architecture: second, variant: third, osVersion });
}

/** `os/arch[/variant]`, as TARGETPLATFORM shows it. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
}

/** The platform of images that this machine runs: Linux on its architecture, whatever its own system. */
export function localPlatform(): Platform {
  const names: Readonly<Record<string, string>> = {
    x64: "amd64",
    ia32: "386",
    arm64: "arm64",
    arm: "arm",
    loong64: "loong64",
    riscv64: "riscv64",
    ppc64: "ppc64le",
    s390x: "s390x",
  };
  return normalize({ os: "linux", architecture: names[process.arch] ?? process.arch });
}

/** One spelling for each platform: x86_64 → amd64, arm → arm/v7, arm64/v8 → arm64, amd64/v1 → amd64. */
export function normalize(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const known = ARCHITECTURES[platform.architecture.toLowerCase()];
  const architecture = known?.[0] ?? platform.architecture.toLowerCase();
  let variant = (platform.variant ?? known?.[1] ?? "").toLowerCase();
  if (/^[5-9]$/.test(variant) && architecture.startsWith("arm")) variant = `v${variant}`;
  if (architecture === "arm" && variant === "") variant = "v7";
  if (architecture === "arm64" && variant === "v8") variant = "";
  if (architecture === "amd64" && variant === "v1") variant = "";
  return {
    os,
    architecture,
    ...(variant ? { variant } : {}),
    ...(platform.osVersion ? { osVersion: platform.osVersion } : {}),
  };
}

/** True if the two, normalized, are the same. */
export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalize(a)) === formatPlatform(normalize(b));
}

/**
 * The platforms whose images run on `wanted`, best first (BuildKit: exact, then lesser variants, then 386 on amd64).
 */
export function compatiblePlatforms(wanted: Platform): readonly Platform[] {
  const { os, architecture, variant } = normalize(wanted);
  const make = (arch: string, v?: string): Platform => ({ os, architecture: arch, ...(v ? { variant: v } : {}) });
  const lower = (arch: string, from: number, to: number): Platform[] =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, i) => make(arch, `v${from - i}`));
  const level = Number(/^v(\d+)$/.exec(variant ?? "")?.[1] ?? 0);
  if (architecture === "arm") return [...lower("arm", level || 7, 5)];
  if (architecture === "arm64")
    return [make("arm64", variant), ...(variant ? [make("arm64")] : []), ...lower("arm", 8, 5)];
  if (architecture === "amd64") return [...lower("amd64", level, 2), make("amd64"), make("386")];
  return [make(architecture, variant)];
}
