/** A small application, and how its authors change it. */
import { chmodSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Files } from "../build/helpers.js";
import { commit, git } from "../context/gitServer.js";
import type { Answer } from "./builders.js";
import type { World } from "./rows.js";

/** What the application is built from. Its parts are joined by shell scripts, so that no network is needed. */
export const APPLICATION: Files = {
  ".dockerignore": ".git\n**/*.log\n",
  "manifest.txt": "left 1.0\nright 2.1\n",
  "install.sh":
    'mkdir -p vendor\nwhile read name version; do echo "$name $version" > "vendor/$name"; done < manifest.txt\n',
  "tools/build.sh": {
    mode: 0o755,
    content: '#!/bin/sh\nmkdir out\ncat vendor/* src/* > out/site\necho "$EDITION" > out/edition\n',
  },
  "src/page.txt": "page {token}\n",
  "src/style.txt": "style\n",
  "README.md": "How to use it\n",
};

const DOCKERFILE = `FROM nacre-e2e-base:{token} AS deps
LABEL stage=deps
WORKDIR /app
COPY manifest.txt install.sh ./
RUN sh install.sh

FROM deps AS build
COPY --chmod=0755 tools tools
COPY src src
ARG EDITION=plain
RUN tools/build.sh

FROM deps AS docs
COPY README.md .
RUN cat README.md manifest.txt > manual

FROM nacre-e2e-base:{token}
WORKDIR /srv
COPY --from=build /app/out/ ./
COPY --from=docs /app/manual ./
CMD ["/bin/sh"]
`;

/** What becomes of a step, other than that a record of its definition answers. */
export interface Expected {
  /** What `nacre plan` says before: `miss`, `same content`, or `decided after step N`. */
  readonly plan: string;
  /** What the build then does. */
  readonly build: Answer;
  /** Why it is made, as the build says; the plan says so too, if it can know. */
  readonly why?: string;
}

/** One edit, and what is expected of the build after it. */
export interface Edit {
  readonly name: string;
  /** @returns other contexts to be built, one after the other */
  readonly edit: (world: World) => undefined | readonly string[] | Promise<undefined>;
  /** All steps that are not simply answered, by label. */
  readonly expected: Readonly<Record<string, Expected>>;
  /** Steps that BuildKit makes anew and nacre does not, and why. */
  readonly fewer?: Readonly<Record<string, string>>;
}

/** Makes the application, and the base that it is built on. */
export async function begin(world: World): Promise<void> {
  await makeBase(world, "1");
  world.put(APPLICATION);
  world.put({ Dockerfile: DOCKERFILE });
}

async function makeBase(world: World, release: string, flags: readonly string[] = []): Promise<undefined> {
  world.putBeside({ "base/release": release, "base/token": "{token}" });
  world.putBeside({ "base/Dockerfile": "FROM nacre-e2e-box\nCOPY token release /etc/\n" });
  await world.builder.build([...flags, "-t", world.text("nacre-e2e-base:{token}"), join(world.top, "base")]);
}

/** Exchanges a text in a file, whose mode stays. */
function rewrite(world: World, file: string, from: string, to: string): undefined {
  const text = world.read(file);
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(world.path(file), text.replace(from, to));
}

const WORKDIR = "[deps 2/4] WORKDIR /app";
const MANIFEST = "[deps 3/4] COPY manifest.txt install.sh ./";
const INSTALL = "[deps 4/4] RUN sh install.sh";
const TOOLS = "[build 1/3] COPY --chmod=0755 tools tools";
const SOURCE = "[build 2/3] COPY src src";
const BUILD = "[build 3/3] RUN tools/build.sh";
const README = "[docs 1/2] COPY README.md .";
const WRITE = "[docs 2/2] RUN cat README.md manifest.txt > manual";
const SOURCE_FIRST = "[build 1/3] COPY src src";
const TOOLS_SECOND = "[build 2/3] COPY --chmod=0755 tools tools";
const SERVED = "[stage-3 2/4] WORKDIR /srv";
const SITE = "[stage-3 3/4] COPY --from=build /app/out/ ./";
const MANUAL = "[stage-3 4/4] COPY --from=docs /app/manual ./";

function miss(why: string): Expected {
  return { plan: "miss", build: "made", why };
}

function waits(after: number, why: string): Expected {
  return { plan: `decided after step ${after}`, build: "made", why };
}

function waitsForNothing(after: number): Expected {
  return { plan: `decided after step ${after}`, build: "cached" };
}

const SAME: Expected = { plan: "same content", build: "cached" };

/** The sources are others, and what is built from them is another. */
function sourceChanged(why: string): Edit["expected"] {
  const from = `step 5 COPY src src changed: ${why}`;
  return { [SOURCE]: miss(why), [BUILD]: miss(from), [SITE]: waits(6, from), [MANUAL]: waits(6, from) };
}

const MODE = "1 of 2 files differs: src/page.txt (mode 0644 → 0755)";
const EDITION = "argument EDITION: plain → gold";
const FROM_EDITION = `step 6 RUN tools/build.sh changed: ${EDITION}`;
const MOVED = "base nacre-e2e-base:{token} moved: {digest} → {digest}";
const FROM_BASE = `step 1 WORKDIR /app changed: ${MOVED}`;
const FROM_SERVED = `step 9 WORKDIR /srv changed: ${MOVED}`;
const ORDER = "built on step 3 RUN sh install.sh in place of step 4 COPY --chmod=0755 tools tools";
const FROM_ORDER = `step 4 COPY src src changed: ${ORDER}`;
const OVERRIDDEN = "--chmod replaces the mode that differs";
const FOLLOWS = "what it is built on comes from the cache";

/** After the two were put in another order: what is made from the installation, and all steps. */
const PARTS = [SOURCE_FIRST, TOOLS_SECOND, BUILD, README, WRITE];
const ALL = [WORKDIR, MANIFEST, INSTALL, ...PARTS, SERVED, SITE, MANUAL];

/** Ten edits, one after the other, and three after which nacre makes less anew than BuildKit does. */
export const EDITS: readonly Edit[] = [
  {
    name: "1 touch",
    edit: (world) => void utimesSync(world.path("src/page.txt"), 1, 1) as undefined,
    expected: {},
  },
  {
    name: "2 chmod",
    edit: (world) => void chmodSync(world.path("src/page.txt"), 0o755) as undefined,
    expected: {
      [SOURCE]: miss(MODE),
      [BUILD]: miss(`step 5 COPY src src changed: ${MODE}`),
      [SITE]: waitsForNothing(6),
      [MANUAL]: waitsForNothing(6),
    },
  },
  {
    name: "3 content",
    edit: (world) => rewrite(world, "src/page.txt", "page", "another page"),
    expected: sourceChanged("1 of 2 files differs: src/page.txt (content)"),
  },
  {
    name: "4 rename",
    edit: (world) => void renameSync(world.path("src/style.txt"), world.path("src/look.txt")) as undefined,
    expected: sourceChanged("2 of 3 files differ: src/look.txt (added), src/style.txt (removed)"),
  },
  {
    name: "5 new ignored file",
    edit: (world) => void world.put({ "src/debug.log": "noise", "build.log": "noise" }) as undefined,
    expected: {},
  },
  {
    name: "6 build argument",
    edit: (world) => rewrite(world, "Dockerfile", "EDITION=plain", "EDITION=gold"),
    expected: { [BUILD]: miss(EDITION), [SITE]: waits(6, FROM_EDITION), [MANUAL]: waits(6, FROM_EDITION) },
  },
  {
    name: "7 base update",
    edit: (world) => makeBase(world, "2"),
    expected: {
      [WORKDIR]: miss(MOVED),
      ...of([MANIFEST, INSTALL, TOOLS, SOURCE, BUILD, README, WRITE], waits(1, FROM_BASE)),
      [SERVED]: miss(MOVED),
      [SITE]: waits(9, FROM_SERVED),
      [MANUAL]: waits(9, FROM_SERVED),
    },
  },
  {
    name: "8 Dockerfile comment",
    edit: (world) => rewrite(world, "Dockerfile", "RUN sh install.sh", "# What the manifest names:\nRUN sh install.sh"),
    expected: {},
  },
  {
    name: "9 reorder",
    edit: (world) => {
      const [tools, source] = ["COPY --chmod=0755 tools tools\n", "COPY src src\n"];
      return rewrite(world, "Dockerfile", tools + source, source + tools);
    },
    expected: {
      [SOURCE_FIRST]: miss(ORDER),
      [TOOLS_SECOND]: waits(4, FROM_ORDER),
      [BUILD]: waits(4, FROM_ORDER),
      [SITE]: waitsForNothing(4),
      [MANUAL]: waitsForNothing(4),
    },
  },
  {
    name: "10 fresh clone",
    edit: (world) => {
      commit(world.dir, {});
      return [1, 2].map(() => {
        const clone = join(world.directory(), "clone");
        git(world.dir, "clone", "--quiet", world.dir, clone);
        return clone;
      });
    },
    expected: {},
  },
  {
    name: "a mode that --chmod replaces",
    edit: (world) => void chmodSync(world.path("tools/build.sh"), 0o700) as undefined,
    expected: {},
    fewer: { [TOOLS_SECOND]: OVERRIDDEN, [BUILD]: FOLLOWS },
  },
  {
    name: "a base made again with the same files at another time",
    edit: async (world) => {
      // Times of layers are whole seconds.
      await new Promise((resolve) => setTimeout(resolve, 1100));
      return makeBase(world, "2", ["--no-cache"]);
    },
    expected: of(ALL, SAME),
    fewer: of(ALL, "the base has the same files"),
  },
  {
    name: "an installation that comes to the same",
    edit: (world) => rewrite(world, "Dockerfile", "RUN sh install.sh", "RUN sh ./install.sh"),
    expected: {
      "[deps 4/4] RUN sh ./install.sh": miss("command: sh install.sh → sh ./install.sh"),
      ...of([...PARTS, SITE, MANUAL], waitsForNothing(3)),
    },
    fewer: of(PARTS, "the installation comes to the same files"),
  },
];

function of<T>(labels: readonly string[], what: T): Record<string, T> {
  return Object.fromEntries(labels.map((label) => [label, what]));
}
