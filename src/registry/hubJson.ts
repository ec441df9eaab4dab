/** JSON of Docker Hub's APIs, and of those that speak like it: bounded, with retries, and never with credentials elsewhere. */
import { HTTP_LIMITS } from "./httpClient.js";
import { PassingFailure } from "./httpFailure.js";
import { type Attempt, failed, networkFailure, statusFailure } from "./registryErrors.js";
import { Transport, type TransportAnswer } from "./transport.js";
import { travel } from "./transportJourney.js";
import { withRetries } from "./transportRetry.js";
import type { EndpointTls, RegistryEnv } from "./types.js";

/** Most bytes of an answer: a page of a hundred results has some 200 kB. */
const MAX_ANSWER = 4 << 20;
/** Someone waits for the answer: no use in being patient. */
const ATTEMPTS = 3;
/** Statuses by which a server says that it has no such API. */
const ABSENT: ReadonlySet<number> = new Set([404, 405, 410, 501]);

/** One question. */
export interface JsonQuestion {
  readonly url: URL;
  /** For errors: `search Docker Hub for nginx`. */
  readonly doing: string;
  /** For errors and hints: the registry as in references. */
  readonly registry: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent to this origin alone. */
  readonly authorization?: string | undefined;
  readonly tls?: EndpointTls | undefined;
}

/** Asks such questions over connections that it shares. Close it in the end. */
export class JsonClient {
  readonly #env: RegistryEnv;
  readonly #transport: Transport;

  constructor(env: RegistryEnv) {
    this.#env = env;
    this.#transport = new Transport(env, { ...HTTP_LIMITS, ...env.limits });
  }

  /**
   * The JSON of an answer, of any form; undefined if the server has nothing of that kind.
   * @throws NacreError NETWORK, DENIED, LIMIT_EXCEEDED, CANCELLED
   */
  ask(question: JsonQuestion): Promise<unknown> {
    const { doing, registry, url } = question;
    const attempt: Attempt = { doing, registry, repository: "", action: "pull", origin: url.origin };
    const limits = { ...HTTP_LIMITS, ...this.#env.limits };
    const rules = { attempts: () => Math.min(ATTEMPTS, limits.attempts), limits, signal: this.#env.signal, doing };
    return withRetries(() => this.#once(question, attempt), rules);
  }

  /** Ends the connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  async #once(question: JsonQuestion, attempt: Attempt): Promise<unknown> {
    const { headers = {}, authorization, url, tls } = question;
    try {
      const { answer } = await travel(this.#transport, {
        request: { method: "GET", url, headers: { accept: "application/json", ...headers } },
        ownHeaders: authorization === undefined ? {} : { authorization },
        tls,
      });
      return await this.#read(answer, attempt, authorization);
    } catch (error) {
      if (error instanceof PassingFailure) throw error;
      throw networkFailure(error, attempt, this.#env.signal);
    }
  }

  async #read(answer: TransportAnswer, attempt: Attempt, authorization: string | undefined): Promise<unknown> {
    if (ABSENT.has(answer.status)) {
      await answer.discard();
      return undefined;
    }
    if (answer.status !== 200) {
      throw await statusFailure(answer, attempt, {
        loggedIn: authorization !== undefined,
        secrets: authorization === undefined ? [] : [authorization],
        now: this.#env.now(),
        retryAfter: (this.#env.limits ?? HTTP_LIMITS).retryAfter ?? HTTP_LIMITS.retryAfter,
      });
    }
    const bytes = await answer.read(MAX_ANSWER, `the answer of ${attempt.origin}`);
    try {
      return JSON.parse(bytes.toString("utf8"));
    } catch (error) {
      throw notUnderstood(attempt, error);
    }
  }
}

/** The error of an answer that has another form than it must. */
export function notUnderstood(attempt: Pick<Attempt, "doing" | "registry" | "origin">, cause?: unknown): Error {
  const whole: Attempt = { repository: "", action: "pull", ...attempt };
  return failed("NETWORK", whole, "the answer is not what a search answers", {
    hint: "a proxy, or a page for logging in to a network, may have answered in its place",
    cause,
  });
}
