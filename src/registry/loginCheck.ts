/** Trying credentials on a registry, before they are kept. */
import type { Credentials, RegistryEnv } from "./types.js";

/**
 * What tries credentials: by asking the registry who they are for, as its configuration here says how to reach it.
 * @returns throws NacreError DENIED if the registry refuses them, NETWORK if it cannot be reached
 */
export function loginCheck(env: RegistryEnv): (host: string, credentials: Credentials) => Promise<void> {
  return async (host, credentials) => {
    const [{ pingRegistry }, { endpointFinder }] = await Promise.all([
      import("./registries.js"),
      import("./endpoints.js"),
    ]);
    await pingRegistry(host, env, endpointFinder(env), { find: async () => credentials });
  };
}
