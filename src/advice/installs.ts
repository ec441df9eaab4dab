/** Commands that install what a project depends on, and the files that say what that is. */
import type { ShellCommand } from "./shellText.js";

/** A command that installs what manifests ask for. */
export interface Install {
  /** The tool, by which an earlier installation is found. */
  readonly tool: string;
  /** The command as it stands. */
  readonly shown: string;
  /** Files of which at least one must be there, in the directory of the command; `*.x` is any of that ending. */
  readonly manifests: readonly string[];
  /** Files that belong to them. */
  readonly companions: readonly string[];
  /** Files that must all be there, as a sign that there are dependencies at all. */
  readonly needs?: readonly string[] | undefined;
  /** A directory that stands for dependencies in the sources: then nothing is installed. */
  readonly vendored?: string | undefined;
  /** What to run after the manifests have been copied; undefined if only a cache mount helps. */
  readonly command: string | undefined;
  /** Directory for a cache mount, which helps where no command installs from the manifests alone. */
  readonly cache?: string | undefined;
  readonly cwd: string | undefined;
}

/** What a tool's row says of a call; undefined if it installs nothing. */
type Reader = (args: readonly string[], command: ShellCommand) => Partial<Install> | undefined;

/** Flags of node package managers that take the next word. */
const NODE_VALUES = new Set([
  "--prefix",
  "-C",
  "--dir",
  "--cwd",
  "--registry",
  "--cache",
  "--workspace",
  "-w",
  "--filter",
  "-F",
]);

const node =
  (subcommands: readonly string[], companions: readonly string[], bare = false): Reader =>
  (args) => {
    const words = withoutFlags(args, NODE_VALUES);
    const isGlobal = args.some(
      (word) => word === "-g" || word === "--global" || word.startsWith("--prefix") || word === "-C",
    );
    const isInstall =
      words.length === 0
        ? bare && !args.includes("--version") && !args.includes("-v")
        : words.length === 1 && subcommands.includes(words[0]!);
    return isInstall && !isGlobal ? { manifests: ["package.json"], companions } : undefined;
  };

const READERS: Readonly<Record<string, Reader>> = {
  npm: node(["ci", "install", "i", "clean-install"], ["package-lock.json", "npm-shrinkwrap.json", ".npmrc"]),
  yarn: node(["install"], ["yarn.lock", ".yarnrc.yml", ".yarnrc", ".yarn"], true),
  pnpm: node(["install", "i"], ["pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc"]),
  bun: node(["install", "i"], ["bun.lock", "bun.lockb", "bunfig.toml"]),
  pip: requirements,
  pip3: requirements,
  python: (args) => (args[0] === "-m" && args[1] === "pip" ? requirements(args.slice(2)) : undefined),
  python3: (args) => (args[0] === "-m" && args[1] === "pip" ? requirements(args.slice(2)) : undefined),
  poetry: (args) => {
    if (args[0] !== "install") return undefined;
    const all = args.includes("--no-root") ? args : [...args, "--no-root"];
    return { manifests: ["pyproject.toml"], companions: ["poetry.lock"], command: `poetry ${all.join(" ")}` };
  },
  uv: (args) => {
    if (args[0] === "pip") return requirements(args.slice(1));
    if (args[0] !== "sync") return undefined;
    const all = args.includes("--no-install-project") ? args : [...args, "--no-install-project"];
    return { manifests: ["pyproject.toml"], companions: ["uv.lock"], command: `uv ${all.join(" ")}` };
  },
  pipenv: (args) =>
    ["install", "sync"].includes(withoutFlags(args)[0] ?? "") && withoutFlags(args).length === 1
      ? { manifests: ["Pipfile"], companions: ["Pipfile.lock"] }
      : undefined,
  bundle: (args) =>
    ["install", undefined].includes(withoutFlags(args)[0])
      ? { manifests: ["Gemfile"], companions: ["Gemfile.lock", ".ruby-version", "*.gemspec"] }
      : undefined,
  composer: (args) =>
    args[0] === "install"
      ? {
          manifests: ["composer.json"],
          companions: ["composer.lock"],
          command: `composer ${[...new Set([...args, "--no-scripts", "--no-autoloader"])].join(" ")}`,
        }
      : undefined,
  go: goModules,
  cargo: (args) => {
    if (args[0] === "chef" && args[1] === "cook") return { manifests: [], companions: [] };
    const builds =
      ["build", "b", "fetch", "test"].includes(args[0] ?? "") || (args[0] === "install" && args.includes("--path"));
    if (!builds) return undefined;
    return {
      manifests: ["Cargo.toml"],
      companions: [],
      needs: ["Cargo.lock"],
      vendored: "vendor",
      command: undefined,
      cache: "/usr/local/cargo/registry",
    };
  },
  mvn: maven,
  mvnw: maven,
  gradle,
  gradlew: gradle,
  dotnet: (args) =>
    ["restore", "publish", "build"].includes(args[0] ?? "") &&
    !args.includes("--no-restore") &&
    withoutFlags(args, DOTNET_VALUES).length === 1
      ? {
          manifests: ["*.csproj", "*.fsproj"],
          companions: ["*.sln", "nuget.config", "Directory.Packages.props"],
          command: "dotnet restore",
        }
      : undefined,
  mix: (args) =>
    args.some((word) => /^deps\.get,?$/.test(word))
      ? { manifests: ["mix.exs"], companions: ["mix.lock"], command: "mix deps.get" }
      : undefined,
  dart: pub,
  flutter: pub,
};

const DOTNET_VALUES = new Set([
  "-c",
  "--configuration",
  "-o",
  "--output",
  "-r",
  "--runtime",
  "-f",
  "--framework",
  "--os",
  "-a",
  "--arch",
  "-v",
]);

/** What a command installs, if it is one of those that do. */
export function installOf(command: ShellCommand): Install | undefined {
  const { program, args, cwd } = command;
  const found = Object.hasOwn(READERS, program) ? READERS[program]!(args, command) : undefined;
  if (found === undefined) return undefined;
  const shown = [program, ...args].join(" ");
  const tool = found.tool ?? program.replace(/^(?:mvnw)$/, "mvn").replace(/^gradlew$/, "gradle");
  return { shown, manifests: [], companions: [], command: shown, cwd, ...found, tool };
}

/** True for commands that install packages of the system: slow, and the same in each build. */
export function isSystemInstall({ program, args }: ShellCommand): boolean {
  const [first] = withoutFlags(args);
  switch (program) {
    case "apt-get":
    case "apt":
    case "dnf":
    case "yum":
    case "microdnf":
    case "zypper":
      return first === "install" || first === "in";
    case "apk":
      return first === "add";
    case "pacman":
      return args.some((word) => /^-S[a-z]*$/.test(word));
    default:
      return false;
  }
}

/** `pip install -r FILE`, but not of the project itself, which needs its sources. */
function requirements(args: readonly string[]): Partial<Install> | undefined {
  if (args[0] !== "install" && args[0] !== "sync") return undefined;
  const files: string[] = args[0] === "sync" ? args.slice(1).filter((word) => word.endsWith(".txt")) : [];
  for (const [i, word] of args.entries()) {
    if (word === "-r" || word === "--requirement" || word === "-c" || word === "--constraint")
      files.push(args[i + 1] ?? "");
    else if (/^-r\S/.test(word)) files.push(word.slice(2));
    else if (word.startsWith("--requirement=")) files.push(word.slice(word.indexOf("=") + 1));
    else if (word === "-e" || word === "--editable" || /^\.{1,2}(?:$|[/[])/.test(word)) return undefined;
  }
  const known = files.filter((file) => file !== "" && !/[$*`]/.test(file));
  return known.length === 0 ? undefined : { tool: "pip", manifests: known, companions: [] };
}

function goModules(args: readonly string[]): Partial<Install> | undefined {
  const [first = ""] = args;
  if (args.some((word) => word.includes("@") || word === "-mod=vendor")) return undefined;
  const manifest = { manifests: ["go.mod"], companions: ["go.sum"], vendored: "vendor", command: "go mod download" };
  if (first === "mod") return args[1] === "download" ? { ...manifest, command: "go mod download" } : undefined;
  return ["build", "install", "test"].includes(first) ? { ...manifest, needs: ["go.sum"] } : undefined;
}

function maven(args: readonly string[], { program }: ShellCommand): Partial<Install> | undefined {
  const goals = [
    "package",
    "install",
    "verify",
    "compile",
    "test",
    "deploy",
    "dependency:go-offline",
    "dependency:resolve",
  ];
  if (!args.some((word) => goals.includes(word)) || args.includes("-o") || args.includes("--offline")) return undefined;
  const command = `${program === "mvnw" ? "./mvnw" : "mvn"} -B dependency:go-offline`;
  const companions = program === "mvnw" ? ["mvnw", ".mvn"] : [];
  return { manifests: ["pom.xml"], companions, command, cache: "/root/.m2" };
}

function gradle(args: readonly string[], { program }: ShellCommand): Partial<Install> | undefined {
  const tasks = withoutFlags(args, new Set(["-x", "--exclude-task", "-p"])).filter(
    (word) => !/^(?:clean|wrapper|tasks|help)$/.test(word),
  );
  if (tasks.length === 0 || args.includes("--offline")) return undefined;
  const settings = ["settings.gradle", "settings.gradle.kts", "gradle.properties", "gradle"];
  const wrapper = program === "gradlew";
  return {
    manifests: ["build.gradle", "build.gradle.kts"],
    companions: wrapper ? ["gradlew", ...settings] : settings,
    command: `${wrapper ? "./gradlew" : "gradle"} --no-daemon dependencies`,
    cache: "/root/.gradle",
  };
}

function pub(args: readonly string[]): Partial<Install> | undefined {
  return args[0] === "pub" && args[1] === "get"
    ? { tool: "pub", manifests: ["pubspec.yaml"], companions: ["pubspec.lock"] }
    : undefined;
}

/** The words that are no flags, nor values of those flags that take the next word. */
function withoutFlags(args: readonly string[], values: ReadonlySet<string> = new Set()): readonly string[] {
  return args.filter((word, i) => !word.startsWith("-") && !values.has(args[i - 1] ?? "") && !/^\d?[<>]/.test(word));
}
