/**
 * The images and named contexts that a plan stands on: what is known of them, and which are still wanted. Each is
 * looked up once per platform, however many stages use it.
 */
import { formatPlatform, type Platform } from "../oci/platform.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { isNacreError } from "../support/errors.js";
import type { SourceRange } from "../support/source.js";
import { nearest } from "../support/suggest.js";
import { isMultiPlatform } from "./builderArguments.js";
import type { FileState, KnownBase, PlannedBase, PlanRequest, WantedBase } from "./graph.js";
import type { Notes } from "./notes.js";

/** A question for one base. */
export interface BaseQuestion {
  /** As written after expansion. */
  readonly reference: string;
  readonly platform: Platform;
  readonly explicitPlatform: boolean;
  readonly range: SourceRange;
  /** The named context that stands for it. */
  readonly context?: string | undefined;
}

/** The answer, with the file system that it means. */
export interface BaseAnswer {
  readonly key: string;
  readonly known: KnownBase;
  readonly files: FileState;
  /** The named context that stands for it. */
  readonly context?: string | undefined;
}

/** Asks for bases and remembers what was asked. */
export class BaseTable {
  readonly #answers: ReadonlyMap<string, KnownBase>;
  readonly #notes: Notes;
  readonly #showPlatforms: boolean;
  readonly #wanted = new Map<string, WantedBase>();
  readonly #used = new Map<string, PlannedBase>();

  constructor(request: PlanRequest, notes: Notes) {
    this.#answers = request.bases;
    this.#showPlatforms = isMultiPlatform(request.buildArgs);
    this.#notes = notes;
  }

  /** Questions without an answer yet. */
  get wanted(): readonly WantedBase[] {
    return [...this.#wanted.values()];
  }

  /** The images among the bases that were asked for and are known, by key. */
  get used(): ReadonlyMap<string, PlannedBase> {
    return this.#used;
  }

  /**
   * The answer, or undefined after noting that it is wanted.
   * @throws NacreError PLAN_INVALID if the reference is malformed
   */
  ask(question: BaseQuestion): BaseAnswer | undefined {
    const { reference, platform, context, range } = question;
    const name = this.fullName(question);
    const key = `${context === undefined ? name : `context ${context}`} ${formatPlatform(platform)}`;
    const place = this.#notes.place(range);
    const known = this.#answers.get(key);
    if (!known) {
      if (!this.#wanted.has(key)) {
        const hint = this.#hint(reference);
        this.#wanted.set(key, {
          key,
          reference,
          platform,
          explicitPlatform: question.explicitPlatform,
          place,
          ...(context === undefined ? {} : { context }),
          ...(this.#showPlatforms ? { shownPlatform: formatPlatform(platform) } : {}),
          ...(hint ? { hint } : {}),
        });
      }
      return undefined;
    }
    if (known.kind === "files") return { key, known, context, files: { kind: "context", name: known.context } };
    if (!this.#used.has(key)) {
      const label = `FROM ${name}`;
      this.#used.set(key, { key, reference, platform, place, label, ...(context === undefined ? {} : { context }) });
    }
    return { key, known, context, files: hasLayers(known) ? { kind: "image", base: key } : { kind: "scratch" } };
  }

  /** Gives a base the label of the FROM line that shows it; the first one counts. */
  name(key: string, label: string): void {
    const base = this.#used.get(key);
    if (base && !base.label.startsWith("[")) this.#used.set(key, { ...base, label });
  }

  /**
   * The reference with everything that Docker leaves out put in; a context's own name where one stands for it.
   * @throws NacreError PLAN_INVALID, in BuildKit's words
   */
  fullName(question: Pick<BaseQuestion, "reference" | "range" | "context">): string {
    const { reference, range, context } = question;
    if (context !== undefined) return reference;
    try {
      return formatReference(parseReference(reference));
    } catch (error) {
      const why = isNacreError(error) ? error.message.replace(/^invalid image reference ".*?": /, "") : String(error);
      const message = `failed to parse stage name ${JSON.stringify(reference)}: invalid reference format: ${why}`;
      const hint = this.#hint(reference) ?? "write it as [host/]name[:tag][@sha256:…], the name in lower case";
      throw this.#notes.invalid(message, range, { cause: error, hint });
    }
  }

  #hint(reference: string): string | undefined {
    const names = this.#notes.file.stages.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const near = nearest(reference, names);
    if (near === undefined) return undefined;
    return near === reference.toLowerCase() && near !== reference
      ? `did you mean the stage ${near}? FROM compares stage names in lower case`
      : `did you mean the stage ${near}?`;
  }
}

/** False for an image whose config lists no layers: building from it is building from scratch (BuildKit does the same). */
function hasLayers(known: Extract<KnownBase, { kind: "image" }>): boolean {
  const { rootfs, history } = known.config;
  return (rootfs.diff_ids ?? []).length > 0 || (history ?? []).some((entry) => entry.empty_layer !== true);
}
