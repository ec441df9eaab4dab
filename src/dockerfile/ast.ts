/**
 * What a Dockerfile says, after scanning and before any expansion: typed instructions with their places.
 * Texts are *texts* in the sense of support/bytes.ts.
 */
import type { SourceRange } from "../support/source.js";

/** The 18 keywords. */
export const KEYWORDS = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
] as const;
export type Keyword = (typeof KEYWORDS)[number];

/** The character that continues lines and escapes in words (directive `escape`). */
export type EscapeToken = "\\" | "`";

/**
 * A word as written: quotes and escapes still in it, variables not expanded. An argument taken from the JSON form or
 * from a flag has the decoded string in `raw`, since BuildKit expands that.
 */
export interface Word {
  readonly raw: string;
  readonly range: SourceRange;
}

/** A here-document (BuildKit's Dockerfile frontend 1.4). */
export interface Heredoc {
  /** Name with quotes removed, e.g. `EOF`. */
  readonly name: string;
  /** Body as written, each line with its terminator; leading tabs are removed already if `chomp`. */
  readonly body: string;
  /** The same with all tabs, for putting the text of a RUN together again. */
  readonly rawBody: string;
  /** False if a part of the name was quoted: then variables in the body stay as they are. */
  readonly expand: boolean;
  /** True for `<<-`. */
  readonly chomp: boolean;
  /** File descriptor before `<<`, e.g. 3 in `3<<EOF`; 0 if none is written. */
  readonly fd: number;
  /** The word that opens it, e.g. `3<<-"EOF"`. */
  readonly word: Word;
  /** The lines of the body. */
  readonly range: SourceRange;
}

/** A flag as given: `--name=value`. */
export interface Flag {
  readonly name: string;
  /** Quotes and escapes removed, variables not expanded; absent for a bare `--name`. */
  readonly value?: string | undefined;
  /** The whole word. */
  readonly range: SourceRange;
  /** The value alone, or the whole word if there is none. */
  readonly valueRange: SourceRange;
}

/** A command in one of its two forms. */
export type Command =
  | { readonly form: "exec"; readonly args: readonly string[] }
  /** `text`: continuations joined, not expanded. */
  | { readonly form: "shell"; readonly text: string };

/** What all instructions have. */
export interface InstructionBase {
  /** From the keyword to the end of the last line, heredoc bodies included. */
  readonly range: SourceRange;
  /** The instruction in one line as it reads after joining continuations (no heredoc bodies), keyword in the author's case. */
  readonly source: string;
  /** Every word after the keyword, flags included, with its place. */
  readonly words: readonly Word[];
  /** The flags, in order. */
  readonly flags: readonly Flag[];
  /** Comment lines above, without `#` and outer blanks (descriptions, `check=`); an empty comment line clears them, a blank line does not. */
  readonly comments: readonly string[];
  /** For a trigger of a base image or parent stage: the FROM line stands in `range`, and labels show `ONBUILD`. */
  readonly onbuild?: boolean | undefined;
}

export interface FromInstruction extends InstructionBase {
  readonly keyword: "FROM";
  /** The image or stage, not expanded. */
  readonly image: Word;
  readonly platform?: Word | undefined;
  /** Name after AS, lower-cased. */
  readonly name?: string | undefined;
}

export interface ArgInstruction extends InstructionBase {
  readonly keyword: "ARG";
  readonly args: readonly { readonly name: string; readonly value?: Word | undefined }[];
}

export interface KeyValue {
  readonly key: Word;
  readonly value: Word;
}

export interface EnvInstruction extends InstructionBase {
  readonly keyword: "ENV";
  readonly pairs: readonly KeyValue[];
  /** True for the old form `ENV key value`. */
  readonly legacy: boolean;
}

export interface LabelInstruction extends InstructionBase {
  readonly keyword: "LABEL";
  readonly pairs: readonly KeyValue[];
  readonly legacy: boolean;
}

export interface RunInstruction extends InstructionBase {
  readonly keyword: "RUN";
  /** For heredocs: the command line without bodies. */
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  /** Values of `--mount`, in order, not expanded. */
  readonly mounts: readonly Word[];
  readonly network?: string | undefined;
  readonly security?: string | undefined;
  readonly devices: readonly string[];
}

export interface CmdInstruction extends InstructionBase {
  readonly keyword: "CMD";
  readonly command: Command;
}

export interface EntrypointInstruction extends InstructionBase {
  readonly keyword: "ENTRYPOINT";
  readonly command: Command;
}

export interface ShellInstruction extends InstructionBase {
  readonly keyword: "SHELL";
  readonly args: readonly string[];
}

/** COPY and ADD; flags of the other one are absent. Flag values are not expanded. */
export interface CopyInstruction extends InstructionBase {
  readonly keyword: "COPY" | "ADD";
  readonly sources: readonly Word[];
  /** Sources given as heredocs; they come after `sources` in copy order. */
  readonly heredocs: readonly Heredoc[];
  readonly destination: Word;
  readonly from?: string | undefined;
  readonly chown?: string | undefined;
  readonly chmod?: string | undefined;
  readonly link: boolean;
  readonly exclude: readonly string[];
  readonly parents: boolean;
  readonly checksum?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  readonly unpack?: boolean | undefined;
}

export interface WorkdirInstruction extends InstructionBase {
  readonly keyword: "WORKDIR";
  readonly path: Word;
}

export interface UserInstruction extends InstructionBase {
  readonly keyword: "USER";
  readonly user: Word;
}

export interface VolumeInstruction extends InstructionBase {
  readonly keyword: "VOLUME";
  readonly paths: readonly Word[];
}

export interface ExposeInstruction extends InstructionBase {
  readonly keyword: "EXPOSE";
  /** Sorted as text before expansion, as BuildKit does; `words` has them in the author's order. */
  readonly ports: readonly Word[];
}

export interface StopSignalInstruction extends InstructionBase {
  readonly keyword: "STOPSIGNAL";
  readonly signal: Word;
}

export interface HealthcheckInstruction extends InstructionBase {
  readonly keyword: "HEALTHCHECK";
  /** Absent for `HEALTHCHECK NONE`. */
  readonly command?: Command | undefined;
  /** Durations in nanoseconds; 0 if not given. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

export interface OnbuildInstruction extends InstructionBase {
  readonly keyword: "ONBUILD";
  /** What Config.OnBuild stores: everything after the word ONBUILD, heredoc bodies appended. */
  readonly trigger: string;
}

export interface MaintainerInstruction extends InstructionBase {
  readonly keyword: "MAINTAINER";
  readonly maintainer: string;
}

/** Any instruction. */
export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | CopyInstruction
  | WorkdirInstruction
  | UserInstruction
  | VolumeInstruction
  | ExposeInstruction
  | StopSignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction;

/** A parser directive at the top of the file. */
export interface Directive {
  readonly name: "syntax" | "escape" | "check";
  readonly value: string;
  readonly range: SourceRange;
}

/** One stage as written. */
export interface StageSource {
  readonly index: number;
  /** Lower-cased name, if it has one. */
  readonly name?: string | undefined;
  readonly from: FromInstruction;
  /** Everything after FROM. */
  readonly instructions: readonly Exclude<Instruction, FromInstruction>[];
}

/** Something worth telling that does not stop a build. */
export interface SourceWarning {
  /** BuildKit's lint rule where there is one, e.g. `NoEmptyContinuation`. */
  readonly rule: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** The lines that BuildKit names. */
  readonly range: SourceRange;
  /** The very words or lines at fault, where they are not all of `range`. */
  readonly focus?: SourceRange | undefined;
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  /** Name as the user gave it. */
  readonly file: string;
  readonly text: string;
  readonly escape: EscapeToken;
  readonly directives: readonly Directive[];
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly StageSource[];
  readonly warnings: readonly SourceWarning[];
}
