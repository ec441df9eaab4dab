/** The steps of a stage: COPY, ADD, WORKDIR and RUN with every text expanded and every input named. */
import type { CopyInstruction, Heredoc, RunInstruction, Word, WorkdirInstruction } from "../dockerfile/ast.js";
import { parseCsv } from "../dockerfile/csv.js";
import { readOpener } from "../dockerfile/heredocWords.js";
import { type Mount, parseMount } from "../dockerfile/mount.js";
import { fieldKey, mountErrorRange, mountFieldRange } from "../dockerfile/mountPlace.js";
import { runText } from "../dockerfile/runText.js";
import { isNacreError } from "../support/errors.js";
import { parseGitAddress, withGitFlags } from "../support/gitAddress.js";
import type { SourceRange } from "../support/source.js";
import { hideUserinfo, withoutUserinfo } from "../support/url.js";
import { chmodMessage, isChmod } from "./chmod.js";
import type { CopyStep, FileState, InlineFile, PlanWarning, RunStep, Step, StepBase } from "./graph.js";
import { copyLine, runLine } from "./history.js";
import { fileStepText, type Numbering, runStepText } from "./labels.js";
import { flagRange, type Notes } from "./notes.js";
import type { StageInstruction } from "./onbuild.js";
import { destinationPath } from "./paths.js";
import { mountFrom } from "./references.js";
import { isGit, isUrl } from "./remoteSources.js";
import { type Expander, proxyEnvironment } from "./scope.js";
import {
  enterWorkdir,
  expandOne,
  type Planning,
  record,
  type StageState,
  stageExpander,
  withShell,
  workdirOf,
} from "./stageState.js";

/** Where steps of a plan go, and where they get what other stages made. */
export interface StepContext extends Planning {
  /** All steps so far; the next one's id is its length. */
  readonly steps: Step[];
  readonly numbering: Numbering;
  readonly ignoreCache: boolean;
  /** The file system of a `--from` or mount `from`; the main context if it is undefined. */
  readonly source: (from: string | undefined, instruction: CopyInstruction | RunInstruction) => FileState;
}

/** Plans a COPY or ADD. @throws NacreError PLAN_INVALID for sources and values that cannot be, in BuildKit's words */
export function planCopy(state: StageState, instruction: CopyInstruction, context: StepContext): void {
  const expand = stageExpander(state, instruction, context);
  const sources = instruction.sources.map((word) => expandOne(expand, word));
  const typed = expandOne(expand, instruction.destination);
  const chown = expandFlag(expand, instruction, "chown", instruction.chown);
  const chmod = expandFlag(expand, instruction, "chmod", instruction.chmod);
  const checksum = expandFlag(expand, instruction, "checksum", instruction.checksum);
  checkValues(instruction, sources, { chown, chmod, checksum }, context.notes);
  // Credentials of an address are for its server, not for whoever sees the build or the image.
  const text = hideUserinfo(fileStepText(instruction, state.env, context.notes.file.escape));
  const step: CopyStep = {
    ...stepBase(state, instruction, text, context),
    kind: "copy",
    keyword: instruction.keyword,
    from: context.source(instruction.from, instruction),
    sources,
    ...(instruction.onbuild ? {} : { sourceRanges: instruction.sources.map(({ range }) => range) }),
    heredocs: instruction.heredocs.map((heredoc) => inlineFile(heredoc, expand)),
    destination: destinationPath(workdirOf(state), typed),
    ...(chown ? { chown } : {}),
    ...(chmod ? { chmod } : {}),
    exclude: instruction.exclude,
    link: instruction.link,
    parents: instruction.parents,
    ...(checksum ? { checksum } : {}),
    ...(instruction.keepGitDir === undefined ? {} : { keepGitDir: instruction.keepGitDir }),
    ...(instruction.unpack === undefined ? {} : { unpack: instruction.unpack }),
  };
  const { keyword, parents } = instruction;
  const heredocs = instruction.heredocs.map(({ name }) => name);
  const shown = sources.map(withoutUserinfo);
  add(state, step, copyLine({ keyword, parents, chown, chmod, sources: shown, heredocs, destination: typed }), context);
}

/** Plans a WORKDIR: the directory of the config, and a step that makes it unless it is the root. */
export function planWorkdir(state: StageState, instruction: WorkdirInstruction, context: StepContext): void {
  const typed = expandOne(stageExpander(state, instruction, context), instruction.path);
  const path = enterWorkdir(state, workdirOf(state), typed);
  if (path === undefined) {
    const hint = "an image for Windows has the drive C: alone: write a path there";
    throw context.notes.invalid("The specified path is not on the system drive (C:)", instruction.path.range, { hint });
  }
  if (!state.workdirSeen && !isRooted(state, typed)) {
    const message = `Relative workdir ${JSON.stringify(typed)} can have unexpected results if the base image changes`;
    context.notes.warn("WorkdirRelativePath", message, instruction.range, absoluteInstead(state, instruction, path));
  }
  state.workdirSeen = true;
  state.config = { ...state.config, WorkingDir: path };
  const line = `WORKDIR ${path}`;
  if (path === "/" || path === "\\") {
    record(state, line);
    return;
  }
  const text = fileStepText(instruction, state.env, context.notes.file.escape);
  const user = state.config.User ?? "";
  add(state, { ...stepBase(state, instruction, text, context), kind: "workdir", path, user }, line, context);
}

function isRooted({ platform }: StageState, path: string): boolean {
  return platform.os === "windows" ? /^(?:[Cc]:)?[\\/]/.test(path) : path.startsWith("/");
}

/** What would say the same in absolute terms; nothing where that hangs on what is not known or not written here. */
function absoluteInstead(
  state: StageState,
  { path: { raw, range }, onbuild }: WorkdirInstruction,
  text: string,
): Pick<PlanWarning, "hint" | "edit"> {
  if (state.baseUnknown || onbuild) return { hint: "begin the path with /" };
  const hint = `write WORKDIR ${text}`;
  const plain = /^[\w./@:+,-]+$/;
  return plain.test(raw) && plain.test(text) ? { hint, edit: { range, text } } : { hint };
}

/** Plans a RUN. The text is not expanded: that is the shell's business. */
export function planRun(state: StageState, instruction: RunInstruction, context: StepContext): void {
  const { notes, request } = context;
  const expand = stageExpander(state, instruction, context);
  const mounts = instruction.mounts.map((word) => expandMount(word, expand, notes));
  const { args, script, only } = runProcess(state, instruction);
  const secrets = mounts.flatMap(({ mount }) => (mount.type === "secret" && mount.env ? [mount.env] : []));
  const text = runStepText(instruction, state.env, notes.file.escape, only, secrets);
  const network = instruction.network === "default" ? undefined : instruction.network;
  const step: RunStep = {
    ...stepBase(state, instruction, text, context),
    kind: "run",
    args,
    ...(script ? { script } : {}),
    env: state.env.pairs(),
    proxyEnv: proxyEnvironment(request.buildArgs),
    cwd: workdirOf(state),
    user: state.config.User ?? "",
    ...((network ?? request.network) ? { network: network ?? request.network } : {}),
    ...(instruction.security ? { security: instruction.security } : {}),
    devices: instruction.devices,
    mounts: mounts.map(({ text: value }) => value),
    mountSources: mounts.map(({ from, mount }) => mountState(from, mount, instruction, context)),
    mountPlaces: instruction.mounts.map(({ range }) => notes.place(range)),
    platform: state.platform,
    ...(state.programs ? { programs: state.programs } : {}),
  };
  add(state, step, runLine(args, state.args, state.env), context);
}

function stepBase(state: StageState, instruction: StageInstruction, text: string, context: StepContext): StepBase {
  return {
    id: context.steps.length,
    stage: state.node.index,
    label: context.numbering.next(text, state.env),
    place: context.notes.place(instruction.range),
    parent: state.files,
    ignoreCache: context.ignoreCache && instruction.keyword !== "WORKDIR",
  };
}

function add(state: StageState, step: Step, line: string, context: StepContext): void {
  context.steps.push(step);
  state.files = { kind: "step", id: step.id };
  record(state, line, step.id);
}

function expandFlag(expand: Expander, instruction: CopyInstruction, name: string, raw: string | undefined): string {
  return raw === undefined ? "" : expand.word(raw, flagRange(instruction, name));
}

function inlineFile({ name, body, expand: active, range }: Heredoc, expand: Expander): InlineFile {
  return { name, content: active ? expand.heredoc(body, range) : body };
}

function checkValues(
  instruction: CopyInstruction,
  sources: readonly string[],
  { chown, chmod, checksum }: { readonly chown: string; readonly chmod: string; readonly checksum: string },
  notes: Notes,
): void {
  if (chmod && !isChmod(chmod)) {
    throw notes.invalid(chmodMessage(chmod), flagRange(instruction, "chmod"), {
      hint: "write for example --chmod=755 or --chmod=u=rwX,go=rX",
    });
  }
  if (chown && instruction.link && !chmod) checkLinkedOwner(instruction, chown, notes);
  if (checksum) checkChecksum(instruction, sources, notes);
  for (const [i, source] of sources.entries()) {
    const range = instruction.sources[i]?.range ?? instruction.range;
    if (instruction.keyword === "ADD") notes.at(range, () => checkAddress(instruction, source, checksum));
    else checkLocal(source, range, notes);
  }
}

/** Whatever is wrong with an address shows before anything is executed. */
function checkAddress({ keepGitDir }: CopyInstruction, source: string, checksum: string): void {
  const address = parseGitAddress(source, "add");
  if (address) withGitFlags(address, { keepGitDir, ...(checksum ? { checksum } : {}) });
}

function checkLocal(source: string, range: SourceRange, notes: Notes): void {
  const what = isGit(source) ? "git ref" : isUrl(source) ? "URL" : undefined;
  if (what === undefined) return;
  throw notes.invalid(`source can't be a ${what} for COPY`, range, { hint: "use ADD for sources on the network" });
}

/** With `--link` the files are copied into an empty tree, in which no name can be looked up (with `--chmod` they are not). */
function checkLinkedOwner(instruction: CopyInstruction, chown: string, notes: Notes): void {
  if (chown.split(":").every((part) => /^(?:\d*|root)$/.test(part))) return;
  const message = `invalid user index: -1: with --link the names of --chown=${chown} cannot be looked up`;
  throw notes.invalid(message, flagRange(instruction, "chown"), {
    hint: "give numbers, such as --chown=1000:1000, or leave --link out",
  });
}

function checkChecksum(instruction: CopyInstruction, sources: readonly string[], notes: Notes): void {
  const range = flagRange(instruction, "checksum");
  const [first = ""] = sources;
  if (sources.length !== 1) {
    const hint = "write one ADD for each source";
    throw notes.invalid("checksum can't be specified for multiple sources", range, { hint });
  }
  if (!isUrl(first) && !isGit(first)) {
    const hint = "leave --checksum out: local files are always compared by content";
    throw notes.invalid("checksum requires HTTP(S) or Git sources", range, { hint });
  }
}

/** The process of a RUN, the script that it mounts, and its heredoc if it is nothing but one. */
function runProcess(
  state: StageState,
  instruction: RunInstruction,
): { readonly args: readonly string[]; readonly script?: InlineFile | undefined; readonly only?: Heredoc | undefined } {
  const { command, heredocs } = instruction;
  const only = command.form === "shell" && readOpener(command.text) ? heredocs[0] : undefined;
  const process = runText(instruction);
  if (process.kind === "exec") return { args: process.args };
  if (process.kind === "shell") return { args: withShell(state, [process.text]), only };
  const { name, content } = process;
  return { args: withShell(state, [`/dev/pipes/${name}`]), script: { name, content }, only };
}

interface ExpandedMount {
  /** The value as written, with variables expanded. */
  readonly text: string;
  readonly mount: Mount;
  readonly from: string | undefined;
}

function expandMount(word: Word, expand: Expander, notes: Notes): ExpandedMount {
  return atField(word, notes, () => {
    const fields = parseCsv(word.raw).map((field) => {
      const [, key = "", value] = /^([^=]*)=(.*)$/s.exec(field) ?? [];
      return value === undefined || key.toLowerCase() === "from"
        ? field
        : `${key}=${expand.word(value, mountFieldRange(word, fieldKey(field)))}`;
    });
    const text = fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
    return { text, mount: parseMount(text), from: mountFrom(word.raw) };
  });
}

/** Runs `work`; what is wrong in the mount is placed at its field. */
function atField<T>(word: Word, notes: Notes, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isNacreError(error) ? error.at(notes.place(mountErrorRange(error, word))) : error;
  }
}

/** The file system that a mount shows; without `from` only a bind mount has one: the main context. */
function mountState(
  from: string | undefined,
  mount: Mount,
  instruction: RunInstruction,
  context: StepContext,
): FileState | undefined {
  if (mount.type !== "bind" && mount.type !== "cache") return undefined;
  if (from || mount.type === "bind") return context.source(from || undefined, instruction);
  return undefined;
}
