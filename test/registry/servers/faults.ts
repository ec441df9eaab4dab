/** What a registry of the tests can be told to do wrong. Everything not said is right. */
import type * as http from "node:http";

/** What is asked of a registry; a fault for `blob` is one for `blob.get` and `blob.head`, and `any` for all. */
export type Operation =
  | "ping"
  | "manifest.get"
  | "manifest.head"
  | "manifest.put"
  | "manifest.delete"
  | "blob.get"
  | "blob.head"
  | "blob.delete"
  /** POST: begins an upload, mounts, or takes a whole blob. */
  | "upload.start"
  /** PATCH. */
  | "upload.chunk"
  /** PUT. */
  | "upload.finish"
  /** GET of the location. */
  | "upload.status"
  /** DELETE of the location. */
  | "upload.cancel"
  | "tags"
  | "catalog"
  | "referrers"
  | "token"
  | "other";

/** One operation or a family of them. */
export type OperationName = Operation | "manifest" | "blob" | "upload" | "any";

/** One request as it came. */
export interface LoggedRequest {
  readonly operation: Operation;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  /** Name and value in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly repository: string | undefined;
  /** Tag, digest or id of an upload. */
  readonly reference: string | undefined;
  /** Numbered by the connection that it came over, from 0. */
  readonly connection: number;
  /** Bytes of its body, so far. */
  received: number;
  /** Status of the answer; undefined if none was begun. */
  status: number | undefined;
}

/** Which requests a fault is for. */
export interface FaultWhen {
  readonly on: OperationName | readonly OperationName[];
  readonly when?: (request: LoggedRequest) => boolean;
  /** So many such requests pass unharmed first. */
  readonly skip?: number;
  /** So many such requests meet it; all, unless said. */
  readonly times?: number;
}

/** An answer before it is sent. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** What goes wrong. */
export type FaultAction =
  /** Another status: 429, 503, 500, … `retryAfter` is sent as it stands (seconds or a date). */
  | {
      readonly fault: "status";
      readonly status: number;
      readonly retryAfter?: string | number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
    }
  /** 401 whatever is sent, with this challenge (default: that of the registry). */
  | { readonly fault: "unauthorized"; readonly challenge?: string | readonly string[] }
  /** Redirects: `self` again and again; `{path}` in the address stands for path and query of the request. */
  | { readonly fault: "redirect"; readonly to: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** Sets headers of an answer that is else right, undefined takes one away; what it says may be a lie. */
  | {
      readonly fault: "headers";
      readonly set: Readonly<Record<string, string | readonly string[] | undefined>>;
    }
  /** Other bytes, with the length that they have. `flip` changes one byte in the middle. */
  | {
      readonly fault: "body";
      readonly to: "flip" | "short" | "long" | "empty" | Buffer | ((right: Buffer) => Buffer);
    }
  /** A Content-Length that is not that of the body: so much more (or, negative, less). */
  | { readonly fault: "length"; readonly by: number }
  /** The connection ends after so many bytes of the body; `reset` with RST. */
  | { readonly fault: "cut"; readonly after: number; readonly how?: "end" | "reset" }
  /** The connection ends after so many bytes of the request's body; they are kept, or all of them lost. */
  | { readonly fault: "cut-request"; readonly after: number; readonly keep?: boolean }
  /** The connection ends without an answer, after the work was done or without doing it. */
  | { readonly fault: "drop"; readonly performed: boolean }
  /** No answer ever. */
  | { readonly fault: "silence" }
  /** The answer comes late. */
  | { readonly fault: "delay"; readonly milliseconds: number }
  /** After the right bytes more come without an end; no Content-Length. */
  | { readonly fault: "endless" }
  /** So many bytes of the body at a time, so many milliseconds apart. */
  | { readonly fault: "drip"; readonly bytes: number; readonly milliseconds: number }
  /** Range ignored (200 with all); another part than the one asked for, called what it is or what was asked for; 416. */
  | { readonly fault: "range"; readonly how: "ignored" | "other-part" | "lie" | "wrong-total" | "416" }
  /** Upload locations elsewhere: `{path}` stands for path and query of the right one. */
  | { readonly fault: "location"; readonly to: string }
  /** The last so many bytes of a chunk are lost; what the registry says of its offset is true. */
  | { readonly fault: "lose"; readonly bytes: number }
  /** The upload is not known any more (404). */
  | { readonly fault: "forget" }
  /** A tag names this digest for these requests. */
  | { readonly fault: "tag"; readonly digest: string }
  /** No referrers API: 404, and no OCI-Subject. */
  | { readonly fault: "no-referrers" }
  /** Smaller chunks than this are refused, unless they are the last one; OCI-Chunk-Min-Length says so. */
  | { readonly fault: "min-chunk"; readonly bytes: number }
  /** A list whose next page is itself, or one that goes on for ever with new names. */
  | { readonly fault: "paging"; readonly how: "loop" | "endless" | "other-host"; readonly to?: string }
  /** A warning (RFC 7234, 5.5; distribution-spec "Warnings"). */
  | { readonly fault: "warning"; readonly text: string }
  /** Docker Hub's headers. */
  | { readonly fault: "rate-limit"; readonly limit: string; readonly remaining: string; readonly source?: string }
  /** Something that is not HTTP. */
  | { readonly fault: "garbage"; readonly bytes?: string }
  /** Answers in place of the registry if it returns true. */
  | {
      readonly fault: "instead";
      readonly answer: (
        request: LoggedRequest,
        response: http.ServerResponse,
        message: http.IncomingMessage,
      ) => boolean | Promise<boolean>;
    };

/** A fault and the requests that meet it. */
export type Fault = FaultWhen & FaultAction;

/** Tells which faults a request meets, and counts them. */
export class FaultPlan {
  #faults: readonly Fault[];
  readonly #seen = new Map<Fault, number>();

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** Other faults from now on. */
  set(faults: readonly Fault[]): void {
    this.#faults = faults;
    this.#seen.clear();
  }

  /** How often a fault was met. */
  met(fault: Fault): number {
    return Math.min(Math.max(0, (this.#seen.get(fault) ?? 0) - (fault.skip ?? 0)), fault.times ?? Infinity);
  }

  /** The faults that this request meets. */
  of(request: LoggedRequest): MetFaults {
    return new MetFaults(this.#faults.filter((fault) => concerns(fault, request) && this.#count(fault)));
  }

  #count(fault: Fault): boolean {
    const nth = this.#seen.get(fault) ?? 0;
    this.#seen.set(fault, nth + 1);
    const { skip = 0, times = Infinity } = fault;
    return nth >= skip && nth < skip + times;
  }
}

/** The faults that one request meets. */
export class MetFaults {
  readonly #faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** The first one of a kind. */
  find<K extends FaultAction["fault"]>(kind: K): Extract<Fault, { fault: K }> | undefined {
    return this.all(kind)[0];
  }

  /** All of a kind. */
  all<K extends FaultAction["fault"]>(kind: K): Extract<Fault, { fault: K }>[] {
    return this.#faults.filter((fault): fault is Extract<Fault, { fault: K }> => fault.fault === kind);
  }
}

function concerns({ on, when }: Fault, request: LoggedRequest): boolean {
  const names = typeof on === "string" ? [on] : on;
  const { operation } = request;
  const isMeant = names.some((name) => name === "any" || name === operation || name === operation.split(".")[0]);
  return isMeant && (when === undefined || when(request));
}
