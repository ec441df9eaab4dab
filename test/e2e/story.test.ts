/**
 * The story of an application: after each edit, what `nacre plan` foresees, what the build does and why it says so, and
 * that BuildKit (as recorded) takes no step from its cache that nacre makes anew.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type Builder, DockerBuilder, NacreBuilder, type Steps } from "./builders.js";
import { cannotRun } from "./comparing.js";
import { isRecording, Recording } from "./recording.js";
import { makeBox, World } from "./rows.js";
import { begin, EDITS, type Edit, type Expected } from "./story.js";

const TIMEOUT = 120_000;

/** What is said of each step, with names in place of what differs from run to run. */
interface Told {
  readonly steps: Steps;
  readonly reasons: Readonly<Record<string, string>>;
}

/** The application, with the builder that builds it. */
class Story {
  readonly world: World;
  readonly #token = Math.random().toString(36).slice(2).padEnd(11, "0");

  constructor(builder: Builder) {
    this.world = new World(builder, this.#token);
  }

  async begin(): Promise<void> {
    await makeBox(this.world.builder);
    await begin(this.world);
    await this.world.builder.build([this.world.dir]);
  }

  /** What an edit leaves to be built. */
  async contextsAfter({ edit }: Edit): Promise<readonly string[]> {
    return (await edit(this.world)) ?? [this.world.dir];
  }

  /** Text that is the same in each run. */
  plain(text: string): string {
    return text.replaceAll(this.#token, "{token}").replace(/sha256:[0-9a-f]+…/g, "{digest}");
  }
}

/** Names of the builds after an edit. */
function namesOf({ name }: Edit, contexts: readonly string[]): string[] {
  return contexts.map((_, i) => (i === 0 ? name : `${name} (${i + 1})`));
}

async function record(recording: Recording): Promise<void> {
  const docker = new DockerBuilder();
  const story = new Story(docker);
  const names: string[] = [];
  try {
    await story.begin();
    for (const edit of EDITS) {
      const contexts = await story.contextsAfter(edit);
      for (const [i, name] of namesOf(edit, contexts).entries()) {
        recording.set(name, await story.world.builder.build([contexts[i]!]));
        names.push(name);
      }
    }
    recording.save(names);
  } finally {
    await story.world.end();
    await docker.forget();
  }
}

describe.skipIf(cannotRun)("the story of an application", () => {
  let home: string;
  let nacre: NacreBuilder;
  let story: Story;
  const recording = new Recording("story");

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "nacre-e2e-store-"));
    nacre = new NacreBuilder(join(home, "store"));
    story = new Story(nacre);
    if (isRecording) await record(recording);
    await story.begin();
  }, TIMEOUT);

  afterAll(async () => {
    await story.world.end();
    rmSync(home, { recursive: true, force: true });
  });

  /** What `nacre plan` says of each step: a hit is `hit`, or what it is found by. */
  async function plan(context: string): Promise<{ plan: Record<string, string>; reasons: Record<string, string> }> {
    const { stdout } = await nacre.run(["plan", "--format", "json", context]);
    const plan: Record<string, string> = {};
    const reasons: Record<string, string> = {};
    for (const { label, outcome, why } of (JSON.parse(stdout) as Plan).steps) {
      plan[label] = outcome.kind === "hit" || outcome.kind === "undecided" ? (why ?? "hit") : outcome.kind;
      if (outcome.kind === "miss") reasons[label] = story.plain(why ?? "");
    }
    return { plan, reasons };
  }

  /** Builds, and reads what the build says of itself. */
  async function build(context: string): Promise<Told> {
    const { stderr } = await nacre.run(["build", "--explain", "--progress", "plain", context]);
    const { stdout } = await nacre.run(["builds", "show", "--format", "json"]);
    const steps = (JSON.parse(stdout) as History).steps.map(
      ({ label, outcome }) => [label, outcome === "cached" ? "cached" : "made"] as const,
    );
    const reasons: Record<string, string> = {};
    for (const [, name = "", text = ""] of stderr.matchAll(/^#\d+ (\[.*)\n#\d+ MISS (.*)$/gm)) {
      reasons[name] = story.plain(text);
    }
    return { steps: Object.fromEntries(steps), reasons };
  }

  it.each(EDITS)(
    "$name",
    async (edit) => {
      const contexts = await story.contextsAfter(edit);
      for (const [i, name] of namesOf(edit, contexts).entries()) {
        const foreseen = await plan(contexts[i]!);
        const told = await build(contexts[i]!);
        const notHit = Object.entries(foreseen.plan).filter(([, answer]) => answer !== "hit");
        const seen = notHit.map(([label, answer]): [string, Expected] => {
          const why = told.reasons[label];
          return [label, { plan: answer, build: told.steps[label]!, ...(why === undefined ? {} : { why }) }];
        });
        expect(Object.fromEntries(seen)).toEqual(edit.expected);
        // A step that the plan takes for a hit is one, and for what it takes for a miss it gives the build's reason.
        for (const [label, answer] of Object.entries(told.steps)) {
          const { [label]: before } = foreseen.plan;
          if (before === "hit") expect(answer, label).toBe("cached");
          if (before === "miss") expect(foreseen.reasons[label], label).toBe(told.reasons[label]);
        }
        compareWithDocker(edit, told.steps, recording.get(name) ?? {});
      }
    },
    TIMEOUT,
  );
});

function compareWithDocker({ fewer = {} }: Edit, steps: Steps, docker: Steps): void {
  expect(Object.keys(steps).sort()).toEqual(Object.keys(docker).sort());
  for (const [label, answer] of Object.entries(steps)) {
    const less: Answer = answer === "cached" && label in fewer ? "made" : answer;
    expect(docker[label], `Docker: ${label}`).toBe(less);
  }
}

interface Plan {
  readonly steps: readonly {
    readonly label: string;
    readonly outcome: { readonly kind: string };
    readonly why?: string;
  }[];
}

interface History {
  readonly steps: readonly { readonly label: string; readonly outcome: string }[];
}
