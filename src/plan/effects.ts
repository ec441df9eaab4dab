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
import { hasHostPart, parsePorts } from "../dockerfile/ports.js";
import { checkSignal } from "../dockerfile/signals.js";
import type { Healthcheck } from "../oci/documents.js";
import { withVariable } from "./environment.js";
import { argLine, commandLine, healthcheckLine, listLine, pairsLine } from "./history.js";
import type { StageInstruction } from "./onbuild.js";
import { argValue, type Expander, entersEnvironment } from "./scope.js";
import { expandOne, type Planning, record, type StageState, stageExpander, withShell } from "./stageState.js";

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
      applyEnv(state, instruction, expand);
      break;
    case "LABEL":
      applyLabel(state, instruction, expand);
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
      applyHealthcheck(state, instruction);
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
    const expand = stageExpander(state, instruction, planning);
    const value = argValue(arg, planning.request.buildArgs, planning.globals, expand);
    if (value !== undefined && entersEnvironment(arg.name)) state.env.set(arg.name, value);
    state.args.set(arg.name, value);
    return [arg.name, value] as const;
  });
  record(state, argLine(values));
}

/** The whole line is expanded with the environment as it was before. */
function applyEnv(state: StageState, instruction: EnvInstruction, expand: Expander): void {
  const pairs = expandPairs(instruction, expand);
  for (const [name, value] of pairs) {
    state.env.set(name, value);
    state.config = { ...state.config, Env: withVariable(state.config.Env ?? [], name, value) };
  }
  record(state, pairsLine("ENV", pairs));
}

function applyLabel(state: StageState, instruction: LabelInstruction, expand: Expander): void {
  const pairs = expandPairs(instruction, expand);
  state.config = { ...state.config, Labels: { ...state.config.Labels, ...Object.fromEntries(pairs) } };
  record(state, pairsLine("LABEL", pairs));
}

function expandPairs(
  { pairs }: EnvInstruction | LabelInstruction,
  expand: Expander,
): readonly (readonly [string, string])[] {
  return pairs.map(({ key, value }) => [expandOne(expand, key), expandOne(expand, value)] as const);
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
  { notes }: Planning,
): readonly string[] {
  const { command, keyword } = instruction;
  if (command.form === "exec") return command.args;
  if ((state.config.Shell ?? []).length === 0) {
    const message = `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`;
    notes.warn("JSONArgsRecommended", message, instruction.range);
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
  const added = Object.fromEntries(paths.map((path) => [path, {}]));
  state.config = { ...state.config, Volumes: { ...state.config.Volumes, ...added } };
  record(state, listLine("VOLUME", paths));
}

/** A word may become several ports by expansion; they come sorted as they are typed, before expansion. */
function applyExpose(state: StageState, instruction: ExposeInstruction, expand: Expander, { notes }: Planning): void {
  const { range } = instruction;
  const ports = instruction.ports.flatMap((word) =>
    expand.words(word.raw, word.range).flatMap((text) => {
      const found = notes.at(word.range, () => parsePorts(text));
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
  const added = Object.fromEntries(ports.map((port) => [port, {}]));
  state.config = { ...state.config, ExposedPorts: { ...state.config.ExposedPorts, ...added } };
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

function applyHealthcheck(state: StageState, instruction: HealthcheckInstruction): void {
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
