/**
 * The environment that expansion and RUN see while a stage is planned: ENV and ARG write one ordered list, and the later
 * instruction wins, whichever of the two it is (BuildKit: llb state's environment).
 */

/** Ordered variables. Setting a name again moves it to the end, as BuildKit's does. */
export class Environment {
  readonly #values: Map<string, string>;

  constructor(entries: Iterable<readonly [string, string]> = []) {
    this.#values = new Map(entries);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: string): void {
    this.#values.delete(name);
    this.#values.set(name, value);
  }

  names(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** `NAME=value` in order. */
  pairs(): readonly string[] {
    return [...this.#values].map(([name, value]) => `${name}=${value}`);
  }

  clone(): Environment {
    return new Environment(this.#values);
  }
}

/** Splits `NAME=value` at the first `=`; without one the value is empty. */
export function splitPair(pair: string): readonly [name: string, value: string] {
  const equals = pair.indexOf("=");
  return equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** `Config.Env` with a variable replaced where it stands, or appended (BuildKit: addEnv). */
export function withVariable(list: readonly string[], name: string, value: string): readonly string[] {
  const start = `${name}=`;
  const at = list.findIndex((pair) => pair.startsWith(start) || pair === name);
  return at < 0 ? [...list, start + value] : list.with(at, start + value);
}
