/** The environment of a RUN's process: each name once, and what a runtime adds. */

/** What is added where it is not set. */
export interface EnvironmentDefaults {
  /** From passwd. An empty HOME counts as not set (runc). */
  readonly home: string;
  /** Target of the first ssh mount. */
  readonly agentSocket: string | undefined;
  /** Names of variables that are added later, with values that are secret. */
  readonly secretNames: ReadonlySet<string>;
}

/** True if {@link runEnvironment} adds HOME, as the last variable: runtimes do so when all others, secret ones too, are set. */
export function addsHome(env: readonly string[], secretNames: ReadonlySet<string>): boolean {
  return !secretNames.has("HOME") && (env.findLast((entry) => entry.startsWith("HOME=")) ?? "HOME=") === "HOME=";
}

/**
 * Of several values of a name the last one stays, where the last one stands. Entries without `=` are no variables and go.
 * @param env ordered `NAME=value`
 */
export function runEnvironment(env: readonly string[], defaults: EnvironmentDefaults): string[] {
  const values = new Map<string, string>();
  for (const entry of env) {
    const equals = entry.indexOf("=");
    if (equals <= 0) continue;
    const name = entry.slice(0, equals);
    values.delete(name);
    values.set(name, entry.slice(equals + 1));
  }
  if (defaults.agentSocket !== undefined && !values.has("SSH_AUTH_SOCK")) {
    values.set("SSH_AUTH_SOCK", defaults.agentSocket);
  }
  if ((values.get("HOME") ?? "") === "") {
    values.delete("HOME");
    values.set("HOME", defaults.home);
  }
  return [...values].filter(([name]) => !defaults.secretNames.has(name)).map(([name, value]) => `${name}=${value}`);
}
