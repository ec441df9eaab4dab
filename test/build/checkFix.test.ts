/** What `--check-fix` makes of Dockerfiles: no longer than needed, and never another image. */
import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { type BuildRequest, fixDockerfile, writeDockerfile } from "../../src/index.js";
import { localPlatform } from "../../src/oci/platform.js";
import type { KnownBase, Plan, PlanRequest } from "../../src/plan/graph.js";
import { planBuild } from "../../src/plan/plan.js";
import { decodeText } from "../../src/support/bytes.js";
import { put, scratch } from "./helpers.js";

const request = (text: string, more: Partial<BuildRequest> = {}): BuildRequest => ({
  context: scratch(),
  dockerfile: { kind: "text", text, name: "Dockerfile" },
  store: "/nonexistent",
  platform: "linux/amd64",
  offline: true,
  ...more,
});

/** The text after mending, and the rules that were mended. */
async function mended(text: string, more: Partial<BuildRequest> = {}): Promise<{ text: string; rules: string[] }> {
  const { after, mended: done } = await fixDockerfile(request(text, more));
  return { text: after.text, rules: done.map(({ rule }) => rule) };
}

describe("a finding is mended", () => {
  test.each([
    ["the case of keywords", "FROM scratch\nrun a\nCopy a b\nRUN b\n", "FROM scratch\nRUN a\nCOPY a b\nRUN b\n"],
    ["to lower case where most are", "from scratch\nrun a\nRUN b\n", "from scratch\nrun a\nrun b\n"],
    ["AS", "FROM scratch as a\n", "FROM scratch AS a\n"],
    ["AS together with FROM", "from scratch As a\nRUN a\nRUN b\n", "FROM scratch AS a\nRUN a\nRUN b\n"],
    ["AS that FROM leaves behind", "from scratch as a\nRUN a\nRUN b\n", "FROM scratch AS a\nRUN a\nRUN b\n"],
    [
      "names of stages wherever they are used",
      "FROM scratch AS One\nFROM scratch\nCOPY --from=One a b\nCOPY --from=oNE a c\n",
      "FROM scratch AS one\nFROM scratch\nCOPY --from=one a b\nCOPY --from=one a c\n",
    ],
    [
      "names of stages in mounts",
      "FROM scratch AS One\nFROM scratch\nRUN --mount=type=bind,from=One,target=/x a\n",
      "FROM scratch AS one\nFROM scratch\nRUN --mount=type=bind,from=one,target=/x a\n",
    ],
    ["the old form", "FROM scratch\nENV a b c\nLABEL d e\n", 'FROM scratch\nENV a="b c"\nLABEL d=e\n'],
    [
      "empty lines within an instruction",
      "FROM scratch\nRUN a \\\n\n # kept\n \t\n  b <<E\n\nE\n\nRUN c\n",
      "FROM scratch\nRUN a \\\n # kept\n  b <<E\n\nE\n\nRUN c\n",
    ],
    ["a plain command", "FROM scratch\nCMD  nginx -g off \n", 'FROM scratch\nCMD  ["nginx", "-g", "off"] \n'],
    ["a plain entry point", "FROM scratch\nENTRYPOINT /app run\n", 'FROM scratch\nENTRYPOINT ["/app", "run"]\n'],
    ["protocols", "FROM scratch\nEXPOSE 80/TCP 53/Udp\n", "FROM scratch\nEXPOSE 80/tcp 53/udp\n"],
    ["host ports", "FROM scratch\nEXPOSE 8080:80\n", "FROM scratch\nEXPOSE 80\n"],
    ["the target's platform", "FROM --platform=$TARGETPLATFORM  scratch AS a\n", "FROM scratch AS a\n"],
    ["relative directories", "FROM scratch\nWORKDIR a/../b\nWORKDIR c\n", "FROM scratch\nWORKDIR /b\nWORKDIR c\n"],
    ["carriage returns stay", "FROM scratch as a\r\nENV a \\\r\n\r\n b\r\n", "FROM scratch AS a\r\nENV a \\\r\n b\r\n"],
    ["a byte-order mark stays", "\ufeffFROM scratch as a\n", "\ufeffFROM scratch AS a\n"],
    [
      "the escape directive counts",
      "# escape=`\nFROM scratch\nENV a b `\n\n c\n",
      '# escape=`\nFROM scratch\nENV a="b `\n c"\n',
    ],
    ["no line feed at the end", "FROM scratch\nENV a b", "FROM scratch\nENV a=b"],
    ["a keyword over two lines is let be", "FROM scratch\nru\\\nn a\nRUN b\n", "FROM scratch\nru\\\nn a\nRUN b\n"],
  ])("%s", async (_name, before, after) => {
    expect((await mended(before)).text).toBe(after);
  });

  test("and what was skipped stays as it is, AS keeping to its own FROM", async () => {
    const text = "# check=skip=ConsistentInstructionCasing\nfrom scratch AS a\nRUN a\nRUN b\nENV c d\n";
    expect((await mended(text)).text).toBe(text.replace("AS a", "as a").replace("c d", "c=d"));
  });
});

describe("nothing is mended where that would change the image", () => {
  test.each([
    ["a command of shell words", "FROM scratch\nCMD app $X\n"],
    ["a shell's own command", "FROM scratch\nCMD echo hi\n"],
    ["a command for an entry point", 'FROM scratch\nENTRYPOINT ["/e"]\nCMD app x\n'],
    ["an entry point that drops its arguments", 'FROM scratch\nCMD ["x"]\nENTRYPOINT /e run\n'],
    ["ports whose order in the history would change", "FROM scratch\nEXPOSE 80/tcp 9000:22\n"],
    ["authors", "FROM scratch\nMAINTAINER me\n"],
    ["words of a trigger", "FROM scratch AS one\nONBUILD CMD app x\nFROM one\n"],
    ["directories below an unknown base", "FROM nowhere:1\nWORKDIR a\n"],
    ["directories with variables", "FROM scratch\nARG A=1\nWORKDIR $A\n"],
    ["a file that cannot be planned", "FROM scratch As a\nCOPY --from=7 a b\n"],
    ["a file that does not parse", "FROM scratch As a\nFORM b\n"],
  ])("%s", async (_name, text) => {
    expect(await mended(text)).toEqual({ text, rules: [] });
  });

  test("and the rest of the file is mended all the same", async () => {
    const { text, rules } = await mended('FROM scratch as a\nENTRYPOINT ["/e"]\nCMD app x\nENV a b\n');
    expect(text).toBe('FROM scratch AS a\nENTRYPOINT ["/e"]\nCMD app x\nENV a=b\n');
    expect(rules).toEqual(["FromAsCasing", "LegacyKeyValueFormat"]);
  });

  test("stages outside of the target are looked at too", async () => {
    const text = "FROM scratch AS One\nCMD app x\nFROM scratch AS two\nFROM two AS three\n";
    const { text: after } = await mended(text, { target: "two" });
    expect(after).toBe(text.replace("One", "one"));
  });
});

const platform = localPlatform();
const planRequest: PlanRequest = {
  buildArgs: new Map(),
  allStages: true,
  platform: { os: "linux", architecture: "amd64" },
  buildPlatform: platform,
  labels: new Map(),
  noCache: false,
  noCacheStages: [],
  contextNames: new Set(),
  bases: new Map(),
};

/** The plan, every base being an empty image; undefined if there is none. */
function plan(text: string): Plan | undefined {
  const bases = new Map<string, KnownBase>();
  try {
    const file = parseDockerfile(text, "D");
    for (;;) {
      const result = planBuild(file, { ...planRequest, bases });
      if (result.kind === "plan") return result.plan;
      const config = {
        os: "linux",
        architecture: "amd64",
        config: {},
        rootfs: { type: "layers" as const, diff_ids: [] },
      };
      for (const { key } of result.bases) bases.set(key, { kind: "image", config });
    }
  } catch {
    return undefined;
  }
}

/** What of a plan reaches the image or a process, apart from CMD and ENTRYPOINT. */
function essence(text: string): unknown {
  const found = plan(text);
  return (
    found && {
      steps: found.steps.map((step) =>
        step.kind === "run"
          ? [
              step.args,
              step.script,
              step.env,
              step.cwd,
              step.user,
              step.mounts.map((mount) => mount.toLowerCase()),
              step.mountSources,
            ]
          : step.kind === "copy"
            ? [
                step.keyword,
                step.from,
                step.sources,
                step.heredocs,
                step.destination,
                step.chown,
                step.chmod,
                step.exclude,
                step.link,
              ]
            : [step.path, step.user],
      ),
      stages: found.stages.map(
        ({ config: { Cmd: _cmd, Entrypoint: _entrypoint, ...config }, history, author, base, result }) => [
          ...[config, author, base, result],
          history.map(({ createdBy }) => createdBy).filter((line) => !/^(?:CMD|ENTRYPOINT) /.test(line)),
        ],
      ),
    }
  );
}

/** The commands of each stage as words, a shell around plain ones left out. */
function commands(text: string): unknown {
  const bare = (args: readonly string[] | null | undefined): readonly string[] =>
    args?.[0] === "/bin/sh" && args.length === 3 && !/["'$\\|&;<>*?~(){}#]/.test(args[2]!)
      ? args[2]!.trim().split(/\s+/)
      : (args ?? []);
  return plan(text)?.stages.map(({ config }) => [bare(config.Cmd), bare(config.Entrypoint)]);
}

const real = fileURLToPath(new URL("../../testdata/dockerfile/real", import.meta.url));
const recorded = fileURLToPath(new URL("../../testdata/lint", import.meta.url));
const corpus = [
  ...readdirSync(real)
    .filter((name) => name.endsWith(".Dockerfile"))
    .map((name) => join(real, name)),
  ...readdirSync(recorded)
    .filter((name) => name.endsWith(".txtar"))
    .map((name) => join(recorded, name)),
];

function dockerfileOf(path: string): string {
  const text = decodeText(readFileSync(path));
  if (!path.endsWith(".txtar")) return text;
  const parts = text.split(/^-- (.+?) --\n/m);
  return parts[parts.indexOf("Dockerfile") + 1]!;
}

test("Dockerfiles of all kinds are the same build after mending, and mending again changes nothing", async () => {
  let changed = 0;
  for (const path of corpus) {
    const text = dockerfileOf(path);
    const { text: after, rules } = await mended(text);
    if (after === text) continue;
    changed++;
    expect(essence(after), path).toEqual(essence(text));
    expect(commands(after), path).toEqual(commands(text));
    expect(await mended(after), path).toEqual({ text: after, rules: [] });
    const left = (await fixDockerfile(request(after))).before.findings.map(({ rule }) => rule);
    expect(left.length, `${path}: ${rules.join(" ")}`).toBeLessThan(
      (await fixDockerfile(request(text))).before.findings.length,
    );
  }
  expect(changed).toBeGreaterThan(20);
}, 60_000);

test("so are Dockerfiles made by chance", async () => {
  const line = fc.constantFrom(
    ...[
      "FROM scratch as One",
      "from ONE AS two",
      "From one",
      "FROM --platform=$TARGETPLATFORM one aS X",
      "ARG A=1",
      "arg B",
    ],
    ...[
      "ENV k v",
      'env k "v w" x',
      "ENV k $A b\\",
      "LABEL a b c",
      "RUN a \\\n\n b",
      "run a <<E\n\nE",
      "COPY --from=One a b",
    ],
    ...[
      "RUN --mount=type=bind,from=TWO,target=/x a",
      "CMD a b",
      "cmd a $B",
      "ENTRYPOINT e",
      'ENTRYPOINT ["e"]',
      "WORKDIR w",
    ],
    ...[
      "WORKDIR /w",
      "EXPOSE 80/TCP 1:2",
      "Expose 9:80/UDP 443",
      "# words",
      "",
      "ONBUILD cmd x",
      "HEALTHCHECK CMD a",
      "USER u",
    ],
    ...["MAINTAINER m", 'SHELL ["s"]', "COPY <<E /x\n$A\nE", "STOPSIGNAL 9", "VOLUME /v", "  RUN b", "EXPOSE $A/TCP"],
  );
  const text = fc.tuple(fc.array(line, { minLength: 1, maxLength: 14 }), fc.constantFrom("\n", "\r\n"), fc.boolean());
  await fc.assert(
    fc.asyncProperty(text, async ([lines, end, withDirective]) => {
      const before = [...(withDirective ? ["# escape=\\"] : []), "FROM scratch AS zero", ...lines, ""]
        .join("\n")
        .replaceAll("\n", end);
      const { text: after } = await mended(before);
      expect(essence(after)).toEqual(essence(before));
      expect(commands(after)).toEqual(commands(before));
      expect(after.split("\n").filter((one) => one.startsWith("#"))).toEqual(
        before.split("\n").filter((one) => one.startsWith("#")),
      );
      expect((await mended(after)).text).toBe(after);
    }),
    { numRuns: 150 },
  );
}, 60_000);

describe("writing", () => {
  test("keeps the mode, and a symlink stays one", async () => {
    const dir = scratch();
    put(dir, { Real: "old\n" });
    chmodSync(join(dir, "Real"), 0o640);
    symlinkSync("Real", join(dir, "Dockerfile"));
    await writeDockerfile(join(dir, "Dockerfile"), "new \udcff\n");
    expect(lstatSync(join(dir, "Dockerfile")).isSymbolicLink()).toBe(true);
    expect(statSync(join(dir, "Real")).mode & 0o7777).toBe(0o640);
    expect(readFileSync(join(dir, "Real"))).toEqual(Buffer.from("6e657720ff0a", "hex"));
    expect(readdirSync(dir).sort()).toEqual(["Dockerfile", "Real"]);
  });

  test("fails with the file's name where it cannot", async () => {
    await expect(writeDockerfile(join(scratch(), "none"), "x")).rejects.toThrow(/writing .*none failed/);
  });
});
