/** What the instructions that make no layer do to a stage: config, environment, history. */
import type {
  ArgInstruction,
  CmdInstruction,
  Command,
  EntrypointInstruction,
  EnvInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  LabelInstruction,
  StopSignalInstruction,
  UserInstruction,
  VolumeInstruction,
} from "../dockerfile/ast.js";
import { writtenKeyword } from "../dockerfile/lint/keywords.js";
import { soundsSecret } from "../dockerfile/lint/secretNames.js";
import { hasHostPart, parsePorts } from "../dockerfile/ports.js";
import { checkSignal } from "../dockerfile/signals.js";
import type { Healthcheck } from "../oci/documents.js";
import { withVariables } from "./environment.js";
import { argLine, commandLine, healthcheckLine, listLine, pairsLine } from "./history.js";
import type { StageInstruction } from "./onbuild.js";
import { argValue, type Expander, entersEnvironment } from "./scope.js";
import {
  addToConfig,
  expandOne,
  type Planning,
  record,
  type StageState,
  stageExpander,
  withShell,
} from "./stageState.js";

/** Instructions that never make a layer. */
export type MetadataInstruction = Exclude<StageInstruction, { keyword: "RUN" | "COPY" | "ADD" | "WORKDIR" }>;

/**
 * Applies one instruction.
 * @throws NacreError PLAN_INVALID or DOCKERFILE_SYNTAX for a text that expansion makes invalid
 */
export function applyMetadata(state: StageState, instruction: MetadataInstruction, planning: Planning): void {
  const expand = stageExpander(state, instruction, planning);
  switch (instruction.keyword) {
    case "ARG":
      applyArg(state, instruction, planning);
      break;
    case "ENV":
      applyEnv(state, instruction, expand, planning);
      break;
    case "LABEL":
      applyLabel(state, instruction, expand, planning);
      break;
    case "CMD":
      applyCmd(state, instruction, planning);
      break;
    case "ENTRYPOINT":
      applyEntrypoint(state, instruction, planning);
      break;
    case "SHELL":
      state.config = { ...state.config, Shell: instruction.args };
      record(state, listLine("SHELL", instruction.args));
      break;
    case "USER":
      applyUser(state, instruction, expand);
      break;
    case "VOLUME":
      applyVolume(state, instruction, expand, planning);
      break;
    case "EXPOSE":
      applyExpose(state, instruction, expand, planning);
      break;
    case "STOPSIGNAL":
      applyStopSignal(state, instruction, expand, planning);
      break;
    case "HEALTHCHECK":
      applyHealthcheck(state, instruction, planning);
      break;
    case "ONBUILD":
      state.config = { ...state.config, OnBuild: [...(state.config.OnBuild ?? []), instruction.trigger] };
      break;
    case "MAINTAINER":
      state.author = instruction.maintainer;
      record(state, `MAINTAINER ${instruction.maintainer}`);
      break;
  }
}

/** Each name of the line is set before the next one is expanded, unlike ENV's. */
function applyArg(state: StageState, instruction: ArgInstruction, planning: Planning): void {
  const values = instruction.args.map((arg) => {
    noteSecret(arg.name, instruction, planning);
    const expand = stageExpander(state, instruction, planning);
    const value = argValue(arg, planning.request.buildArgs, planning.globals, expand);
    if (value !== undefined && entersEnvironment(arg.name)) state.env.set(arg.name, value);
    state.args.set(arg.name, value);
    return [arg.name, value] as const;
  });
  record(state, argLine(values));
}

/** The whole line is expanded with the environment as it was before. */
function applyEnv(state: StageState, instruction: EnvInstruction, expand: Expander, planning: Planning): void {
  const pairs = expandPairs(instruction, expand);
  noteLegacy(instruction, planning);
  for (const [name, value] of pairs) {
    noteSecret(name, instruction, planning);
    state.env.set(name, value);
  }
  state.config = { ...state.config, Env: withVariables(state.config.Env ?? [], pairs) };
  record(state, pairsLine("ENV", pairs));
}

function applyLabel(state: StageState, instruction: LabelInstruction, expand: Expander, planning: Planning): void {
  const pairs = expandPairs(instruction, expand);
  noteLegacy(instruction, planning);
  addToConfig(state, "Labels", pairs);
  record(state, pairsLine("LABEL", pairs));
}

function expandPairs(
  { pairs }: EnvInstruction | LabelInstruction,
  expand: Expander,
): readonly (readonly [string, string])[] {
  return pairs.map(({ key, value }) => [expandOne(expand, key), expandOne(expand, value)] as const);
}

function noteLegacy(instruction: EnvInstruction | LabelInstruction, { notes }: Planning): void {
  if (!instruction.legacy) return;
  const keyword = writtenKeyword(instruction);
  const message = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
  notes.warn("LegacyKeyValueFormat", message, instruction.range);
}

function noteSecret(name: string, instruction: ArgInstruction | EnvInstruction, { notes }: Planning): void {
  if (!soundsSecret(name)) return;
  const message = `Do not use ARG or ENV instructions for sensitive data (${instruction.keyword} "${name}")`;
  const hint = "the value can be read from the image; give it to the RUN that needs it with --mount=type=secret";
  notes.warn("SecretsUsedInArgOrEnv", message, instruction.range, { hint });
}

/** The earlier one is named, because it is the one without effect. */
function noteRepetition(
  state: StageState,
  instruction: CmdInstruction | EntrypointInstruction | HealthcheckInstruction,
  { notes }: Planning,
): void {
  const earlier = state.lastOf.get(instruction.keyword);
  state.lastOf.set(instruction.keyword, instruction);
  if (!earlier) return;
  const keyword = writtenKeyword(instruction);
  const message = `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`;
  const hint = `remove this one, or put what follows into a stage of its own`;
  notes.warn("MultipleInstructionsDisallowed", message, earlier.range, { hint });
}

function applyCmd(state: StageState, instruction: CmdInstruction, planning: Planning): void {
  const args = commandArgs(state, instruction, planning);
  state.config = { ...state.config, Cmd: args, ArgsEscaped: true };
  state.cmdSeen = true;
  record(state, commandLine("CMD", args));
}

/** A CMD that comes from the base or a parent stage was meant for another entry point, and goes. */
function applyEntrypoint(state: StageState, instruction: EntrypointInstruction, planning: Planning): void {
  const args = commandArgs(state, instruction, planning);
  const Cmd = state.cmdSeen ? state.config.Cmd : null;
  state.config = { ...state.config, Entrypoint: args.length > 0 ? args : null, Cmd };
  record(state, commandLine("ENTRYPOINT", args));
}

function commandArgs(
  state: StageState,
  instruction: CmdInstruction | EntrypointInstruction,
  planning: Planning,
): readonly string[] {
  const { command } = instruction;
  noteRepetition(state, instruction, planning);
  if (command.form === "exec") return command.args;
  if ((state.config.Shell ?? []).length === 0 && !state.baseUnknown) {
    const message = `JSON arguments recommended for ${writtenKeyword(instruction)} to prevent unintended behavior related to OS signals`;
    planning.notes.warn("JSONArgsRecommended", message, instruction.range);
  }
  return withShell(state, [command.text]);
}

function applyUser(state: StageState, instruction: UserInstruction, expand: Expander): void {
  const User = expandOne(expand, instruction.user);
  state.config = { ...state.config, User };
  record(state, `USER ${User}`);
}

function applyVolume(state: StageState, instruction: VolumeInstruction, expand: Expander, { notes }: Planning): void {
  const paths = instruction.paths.map((word) => {
    const path = expandOne(expand, word);
    if (path !== "") return path;
    throw notes.invalid("VOLUME specified can not be an empty string", word.range, {
      hint: `${word.raw} expands to nothing; give the variable a value`,
    });
  });
  addToConfig(
    state,
    "Volumes",
    paths.map((path) => [path, {}] as const),
  );
  record(state, listLine("VOLUME", paths));
}

/** A word may become several ports by expansion; they come sorted as they are typed, before expansion. */
function applyExpose(state: StageState, instruction: ExposeInstruction, expand: Expander, { notes }: Planning): void {
  const { range } = instruction;
  const ports = instruction.ports.flatMap((word) =>
    expand.words(word.raw, word.range).flatMap((text) => {
      const found = notes.at(word.range, () => parsePorts(text));
      notes.expose(found.length, word.range);
      const [protocol] = /\/[^/]*$/.exec(text) ?? [""];
      if (protocol !== protocol.toLowerCase()) {
        const message = `Defined protocol '${text}' in EXPOSE instruction should be lowercase`;
        notes.warn("ExposeProtoCasing", message, range);
      }
      if (hasHostPart(text)) {
        const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${text}'`;
        notes.warn("ExposeInvalidFormat", message, range);
      }
      return found;
    }),
  );
  addToConfig(
    state,
    "ExposedPorts",
    ports.map((port) => [port, {}] as const),
  );
  record(state, listLine("EXPOSE", ports));
}

function applyStopSignal(
  state: StageState,
  instruction: StopSignalInstruction,
  expand: Expander,
  { notes }: Planning,
): void {
  const StopSignal = expandOne(expand, instruction.signal);
  notes.at(instruction.signal.range, () => checkSignal(StopSignal));
  state.config = { ...state.config, StopSignal };
  record(state, `STOPSIGNAL ${StopSignal}`);
}

function applyHealthcheck(state: StageState, instruction: HealthcheckInstruction, planning: Planning): void {
  noteRepetition(state, instruction, planning);
  const { interval, timeout, startPeriod, startInterval, retries } = instruction;
  const health: Healthcheck = {
    Test: healthTest(instruction.command),
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
  state.config = { ...state.config, Healthcheck: health };
  record(state, healthcheckLine(health));
}

function healthTest(command: Command | undefined): readonly string[] {
  if (!command) return ["NONE"];
  return command.form === "exec" ? ["CMD", ...command.args] : ["CMD-SHELL", command.text];
}
