/** Keeping what is secret out of everything that shows values: JSON, consoles, debuggers' previews, error reports. */
import { createHmac, randomBytes } from "node:crypto";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");
const HIDDEN = "***";
let salt: Buffer | undefined;

/**
 * The same object; where it is shown as a whole, its texts are not. They can be read and copied as before. As JSON, equal
 * texts still give equal ones within this process, so that such objects can be told apart.
 */
export function hideValues<T extends Readonly<Record<string, string>>>(object: T): T {
  const shown = (show: (text: string) => string): Record<string, string> =>
    Object.fromEntries(Object.entries(object).map(([key, text]) => [key, show(text)]));
  Object.defineProperty(object, "toJSON", { value: () => shown(standIn), enumerable: false });
  Object.defineProperty(object, INSPECT, { value: () => shown(() => HIDDEN), enumerable: false });
  return object;
}

function standIn(text: string): string {
  salt ??= randomBytes(32);
  return `hidden:${createHmac("sha256", salt).update(text).digest("hex")}`;
}

/** User name and password. */
export class BasicCredentials {
  readonly kind = "basic" as const;
  readonly username: string;
  readonly #password: string;

  constructor(username: string, password: string) {
    this.username = username;
    this.#password = password;
  }

  get password(): string {
    return this.#password;
  }

  /** What may be shown. */
  toJSON(): Record<string, string> {
    return { kind: this.kind, username: this.username, password: HIDDEN };
  }

  [INSPECT](): Record<string, string> {
    return this.toJSON();
  }
}

/** An identity token, or a token that is sent as it is. */
export class TokenCredentials<K extends "identity" | "bearer"> {
  readonly kind: K;
  readonly #token: string;

  constructor(kind: K, token: string) {
    this.kind = kind;
    this.#token = token;
  }

  get token(): string {
    return this.#token;
  }

  /** What may be shown. */
  toJSON(): Record<string, string> {
    return { kind: this.kind, token: HIDDEN };
  }

  [INSPECT](): Record<string, string> {
    return this.toJSON();
  }
}
