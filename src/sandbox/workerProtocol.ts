/**
 * What nacre and its worker say to each other. Commands and answers go over Node's IPC channel (serialisation
 * `advanced`, so that buffers and maps survive); the output of processes goes through a pipe beside it (see
 * workerOutput.ts), because a pipe makes a fast writer wait. Each side checks what it is told.
 */
import * as v from "valibot";
import type { ImageLayer } from "../image/image.js";
import { type DiffId, isDigest } from "../oci/digest.js";
import { type ErrorCode, isNacreError, NacreError } from "../support/errors.js";
import type { Hand } from "./hand.js";
import type { IdMapping } from "./idMapping.js";
import type { ProbeReport } from "./probe.js";
import type {
  CacheRunMount,
  IsolationLevel,
  RunExit,
  RunLayer,
  RunLimits,
  RunMount,
  RunRequest,
  TreeSource,
} from "./types.js";

/** Descriptors of the worker beside 0 to 3 (3 is the channel): how it was started, and output. */
export const START_FD = 4;
export const OUTPUT_FD = 5;

/** A command that is answered by `done` or `failed` with its id. */
export type Call =
  | { readonly type: "probe"; readonly store: string; readonly probe: ProbeCall }
  | { readonly type: "open"; readonly store: string; readonly sandbox: SandboxCall }
  | { readonly type: "prepare"; readonly request: RunRequest }
  | {
      readonly type: "execute";
      readonly run: number;
      readonly io: "log" | "terminal";
      readonly args?: readonly string[] | undefined;
    }
  | { readonly type: "collect"; readonly run: number }
  | { readonly type: "release"; readonly run: number }
  | { readonly type: "removeTree"; readonly path: string }
  | { readonly type: "close" };

/** What to probe. `tmpfs`: bytes of a tmpfs that may be mounted for upper directories. */
export interface ProbeCall {
  readonly levels: readonly IsolationLevel[];
  readonly tmpfs: number | undefined;
  readonly around: readonly IdMapping[];
  /** Value of PATH. */
  readonly path: string;
}

/** What to be: `tmpfs` as in {@link ProbeCall}, mounted only where the hand's upper directories lie there. */
export interface SandboxCall {
  readonly level: IsolationLevel;
  readonly hand: Hand;
  readonly runtime: string | undefined;
  readonly tmpfs: number | undefined;
}

/** From nacre to the worker. */
export type ToWorker =
  | { readonly type: "call"; readonly id: number; readonly call: Call }
  /** The call of that id is to end early. */
  | { readonly type: "cancel"; readonly id: number };

/** From the worker to nacre. */
export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: WireError }
  | { readonly type: "warn"; readonly id: number; readonly rule: string; readonly message: string }
  | { readonly type: "progress"; readonly id: number; readonly bytes: number; readonly total: number | undefined }
  /** Last words before the worker ends because of a bug. */
  | { readonly type: "dying"; readonly message: string };

/** An error as it crosses. */
export interface WireError {
  /** Undefined for what is not a NacreError. */
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly stack: string | undefined;
}

/** The error of the other side, to be sent. Facts are sent as far as JSON can hold them. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) {
    return { code: undefined, message: String(error), hint: undefined, facts: {}, stack: undefined };
  }
  if (!isNacreError(error)) {
    return { code: undefined, message: error.message, hint: undefined, facts: {}, stack: error.stack };
  }
  const facts = JSON.parse(JSON.stringify(error.facts)) as Record<string, unknown>;
  return { code: error.code, message: error.message, hint: error.hint, facts, stack: error.stack };
}

/** The error that was sent: whole if it was a NacreError, else INTERNAL. */
export function fromWire({ code, message, hint, facts, stack }: WireError): NacreError {
  // Where it happened, on the other side, is of use; where it was taken off the wire is not.
  const cause = stack === undefined ? undefined : Object.assign(new Error(message), { stack });
  return new NacreError((code as ErrorCode | undefined) ?? "INTERNAL", message, { hint, facts, cause });
}

/** So that a field which is added to a type is not forgotten here. */
type Fields<T> = Record<keyof T, v.GenericSchema>;

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const integer = v.pipe(v.number(), v.safeInteger());
const strings = v.array(v.string());
const levelSchema = v.picklist(["oci", "namespaces", "chroot"]);
const buffer = v.pipe(
  v.instance(Uint8Array),
  v.transform((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
);

const layerSchema = v.strictObject({
  diffId: v.custom<DiffId>(isDigest, "not a digest"),
  descriptor: v.looseObject({ mediaType: v.string(), digest: v.custom<DiffId>(isDigest), size: natural }),
}) as unknown as v.GenericSchema<unknown, ImageLayer>;

const sourceSchema: v.GenericSchema<unknown, TreeSource> = v.strictObject({
  layers: v.array(layerSchema),
  path: v.string(),
});

const owner = { mode: natural, uid: natural, gid: natural };

const mountSchema: v.GenericSchema<unknown, RunMount> = v.variant("type", [
  v.strictObject({ type: v.literal("bind"), target: v.string(), source: sourceSchema, writable: v.boolean() }),
  v.strictObject({
    type: v.literal("cache"),
    target: v.string(),
    id: v.string(),
    namespace: v.optional(v.string()),
    sharing: v.picklist(["shared", "private", "locked"]),
    readOnly: v.boolean(),
    seed: v.undefinedable(sourceSchema),
    owner: v.strictObject(owner),
    fresh: v.boolean(),
  } satisfies Fields<CacheRunMount>),
  v.strictObject({ type: v.literal("tmpfs"), target: v.string(), size: natural }),
  v.strictObject({ type: v.literal("secret"), target: v.string(), content: v.undefinedable(buffer), ...owner }),
  v.strictObject({ type: v.literal("ssh"), target: v.string(), agentSocket: v.string(), ...owner }),
]);

const limitsSchema: v.GenericSchema<unknown, RunLimits> = v.strictObject({
  ulimits: v.array(v.strictObject({ name: v.string(), soft: integer, hard: integer })),
  memory: v.optional(natural),
  memorySwap: v.optional(integer),
  cpus: v.optional(v.number()),
  cpuShares: v.optional(natural),
  cpusetCpus: v.optional(v.string()),
  pids: v.optional(integer),
  timeout: v.optional(v.number()),
} satisfies Fields<RunLimits>);

const requestSchema: v.GenericSchema<unknown, RunRequest> = v.strictObject({
  root: v.array(layerSchema),
  args: strings,
  script: v.undefinedable(v.strictObject({ name: v.string(), content: v.string() })),
  env: strings,
  secretEnv: v.map(v.string(), v.string()),
  cwd: v.string(),
  user: v.string(),
  hostname: v.string(),
  network: v.picklist(["host", "none"]),
  insecure: v.boolean(),
  hosts: v.array(v.strictObject({ name: v.string(), ip: v.string() })),
  shmSize: natural,
  limits: limitsSchema,
  mounts: v.array(mountSchema),
  mtime: v.undefinedable(integer),
} satisfies Fields<RunRequest>);

const rangesSchema = v.array(v.strictObject({ inside: natural, outside: natural, count: natural }));

/** Also of what is kept in the store: see detectCache.ts. */
export const mappingSchema: v.GenericSchema<unknown, IdMapping> = v.strictObject({
  uids: rangesSchema,
  gids: rangesSchema,
});

/** Also of what is kept in the store. */
export const handSchema: v.GenericSchema<unknown, Hand> = v.strictObject({
  flavour: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9]*$/)),
  overlayXattrs: v.picklist(["trusted", "user"]),
  singleId: v.boolean(),
  devices: v.boolean(),
  upper: v.undefinedable(v.union([v.literal("store"), v.object({ tmpfs: v.string() })])),
});

const findingSchema = v.variant("works", [
  v.object({ works: v.literal(true), runtime: v.optional(v.string()) }),
  v.object({ works: v.literal(false), why: v.string(), help: v.optional(v.string()) }),
]);

/** Also of what is kept in the store. */
export const reportSchema: v.GenericSchema<unknown, ProbeReport> = v.strictObject({
  hand: handSchema,
  levels: v.strictObject({
    oci: v.optional(findingSchema),
    namespaces: v.optional(findingSchema),
    chroot: v.optional(findingSchema),
  }),
  ids: v.tuple([natural, natural]),
});

const callSchema: v.GenericSchema<unknown, Call> = v.variant("type", [
  v.strictObject({
    type: v.literal("probe"),
    store: v.string(),
    probe: v.strictObject({
      levels: v.array(levelSchema),
      tmpfs: v.undefinedable(natural),
      around: v.array(mappingSchema),
      path: v.string(),
    }),
  }),
  v.strictObject({
    type: v.literal("open"),
    store: v.string(),
    sandbox: v.strictObject({
      level: levelSchema,
      hand: handSchema,
      runtime: v.undefinedable(v.string()),
      tmpfs: v.undefinedable(natural),
    }),
  }),
  v.strictObject({ type: v.literal("prepare"), request: requestSchema }),
  v.strictObject({
    type: v.literal("execute"),
    run: natural,
    io: v.picklist(["log", "terminal"]),
    args: v.optional(strings),
  }),
  v.strictObject({ type: v.literal("collect"), run: natural }),
  v.strictObject({ type: v.literal("release"), run: natural }),
  v.strictObject({ type: v.literal("removeTree"), path: v.string() }),
  v.strictObject({ type: v.literal("close") }),
]);

const toWorkerSchema: v.GenericSchema<unknown, ToWorker> = v.variant("type", [
  v.strictObject({ type: v.literal("call"), id: natural, call: callSchema }),
  v.strictObject({ type: v.literal("cancel"), id: natural }),
]);

const fromWorkerSchema: v.GenericSchema<unknown, FromWorker> = v.variant("type", [
  v.strictObject({ type: v.literal("ready") }),
  v.strictObject({ type: v.literal("done"), id: natural, value: v.unknown() }),
  v.strictObject({
    type: v.literal("failed"),
    id: natural,
    error: v.strictObject({
      code: v.undefinedable(v.string()),
      message: v.string(),
      hint: v.undefinedable(v.string()),
      facts: v.record(v.string(), v.unknown()),
      stack: v.undefinedable(v.string()),
    }),
  }),
  v.strictObject({ type: v.literal("warn"), id: natural, rule: v.string(), message: v.string() }),
  v.strictObject({ type: v.literal("progress"), id: natural, bytes: natural, total: v.undefinedable(natural) }),
  v.strictObject({ type: v.literal("dying"), message: v.string() }),
]);

const exitSchema: v.GenericSchema<unknown, RunExit> = v.variant("kind", [
  v.object({ kind: v.literal("code"), code: integer }),
  v.object({ kind: v.literal("signal"), signal: v.string() }),
  v.object({ kind: v.literal("timeout") }),
  v.object({ kind: v.literal("memory") }),
  v.object({ kind: v.literal("unstartable"), code: v.picklist([126, 127]), message: v.string() }),
]);

const runLayerSchema: v.GenericSchema<unknown, RunLayer> = v.strictObject({
  diffId: v.custom<DiffId>(isDigest, "not a digest"),
  size: natural,
});

/** Checks what a worker was told. @throws NacreError INTERNAL */
export const parseToWorker = (message: unknown): ToWorker => checked(toWorkerSchema, message);

/** Checks what a worker says. @throws NacreError INTERNAL */
export const parseFromWorker = (message: unknown): FromWorker => checked(fromWorkerSchema, message);

/** Checks the answer to `prepare`: the number of the run. @throws NacreError INTERNAL */
export const parseRun = (value: unknown): number => checked(natural, value);

/** Checks the answer to `execute`. @throws NacreError INTERNAL */
export const parseExit = (value: unknown): RunExit => checked(exitSchema, value);

/** Checks the answer to `collect`. @throws NacreError INTERNAL */
export const parseRunLayer = (value: unknown): RunLayer => checked(runLayerSchema, value);

/** Checks the answer to `probe`. @throws NacreError INTERNAL */
export const parseReport = (value: unknown): ProbeReport => checked(reportSchema, value);

function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue!) ?? "message";
  throw new NacreError("INTERNAL", `nacre and its worker do not understand each other: ${where}: ${issue?.message}`);
}
