/** A machine and a user for tests of configuration: both are directories, and nothing of the real ones is seen. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { RegistryEnv } from "../../src/registry/types.js";

/** A machine with one user. */
export interface ConfigWorld {
  /** Stands for `/`. */
  readonly root: string;
  readonly home: string;
  /** What was warned of so far. */
  readonly warnings: string[];
  /** Writes a file below the root (`etc/…`) or the home (`~/…`). @returns its path */
  write(name: string, text: string, mode?: number): string;
  /** Writes a credential helper: a shell script. @returns its path */
  helper(suffix: string, script: string): string;
  env(variables?: Readonly<Record<string, string>>, signal?: AbortSignal): RegistryEnv;
}

/** Makes one; it is removed after the test. */
export function configWorld(): ConfigWorld {
  const base = mkdtempSync(join(tmpdir(), "nacre-config-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const [root, home, programs] = [join(base, "root"), join(base, "home"), join(base, "bin")];
  for (const path of [root, home, programs]) mkdirSync(path);
  const warnings: string[] = [];
  const write = (name: string, text: string, mode = 0o644): string => {
    const path = name.startsWith("~/") ? join(home, name.slice(2)) : join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  return {
    ...{ root, home, warnings, write },
    helper: (suffix, script) => {
      const path = join(programs, `docker-credential-${suffix}`);
      writeFileSync(path, `#!/bin/sh\n${script}\n`);
      chmodSync(path, 0o755);
      return path;
    },
    env: (variables = {}, signal) => ({
      env: { HOME: home, PATH: [programs, "/usr/bin", "/bin"].join(delimiter), ...variables },
      signal,
      now: Date.now,
      warn: (rule, message) => void warnings.push(`${rule}: ${message}`),
    }),
  };
}

/** A server that notes who asks for what. */
export interface NotingServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** Starts a plain http server; it ends with the test. */
export async function notingServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<NotingServer> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}
