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

  /** How many there are. */
  get size(): number {
    return this.#values.size;
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

  /** A copy in which a variable has another value, in its place, or is gone. */
  with(name: string, value: string | undefined): Environment {
    const values = new Map(this.#values);
    if (value === undefined) values.delete(name);
    else values.set(name, value);
    return new Environment(values);
  }
}

/** Splits `NAME=value` at the first `=`; without one the value is empty. */
export function splitPair(pair: string): readonly [name: string, value: string] {
  const equals = pair.indexOf("=");
  return equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** `Config.Env` with each variable replaced where it stands, or appended (BuildKit: addEnv). */
export function withVariables(
  list: readonly string[],
  variables: readonly (readonly [name: string, value: string])[],
): readonly string[] {
  const result = [...list];
  const wanted = new Set(variables.map(([name]) => name));
  const places = new Map<string, number>();
  for (const [at, pair] of list.entries()) {
    const [name] = splitPair(pair);
    if (wanted.has(name) && !places.has(name)) places.set(name, at);
  }
  for (const [name, value] of variables) {
    const at = places.get(name) ?? result.length;
    places.set(name, at);
    result[at] = `${name}=${value}`;
  }
  return result;
}
