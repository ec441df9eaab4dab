/** What a command gives to the parts that speak with registries. */
import type { RegistryEnv } from "../../index.js";
import { type Invocation, print } from "../invocation.js";
import { printable } from "../terminalText.js";

/** The world of a command as registries see it; each warning is shown once. */
export function registryEnvOf(invocation: Invocation): RegistryEnv {
  const { env, signal, now, stderr } = invocation;
  const shown = new Set<string>();
  const warn = (_rule: string, message: string): void => {
    if (shown.has(message)) return;
    shown.add(message);
    print(stderr, [`warning: ${printable(message)}`]);
  };
  return { env, signal, now, warn };
}

/** Other addresses of Docker Hub's searches than its own (`NACRE_HUB_INDEX`, `NACRE_HUB_SITE`). */
export function hubOf({ env }: Invocation): { readonly index?: string; readonly site?: string } {
  const [index, site] = [env.NACRE_HUB_INDEX, env.NACRE_HUB_SITE].map((text) => text?.replace(/\/+$/, ""));
  return { ...(index ? { index } : {}), ...(site ? { site } : {}) };
}
