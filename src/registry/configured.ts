/** Registries as this machine is configured; what talks to them is loaded when they are opened. */
import type { Registries, RegistryEnv } from "./types.js";

/** Opens them, with endpoints and credentials found by the environment. Close them in the end. */
export async function openConfigured(env: RegistryEnv): Promise<Registries> {
  const [{ openRegistries }, { endpointFinder }, { credentialStore }] = await Promise.all([
    import("./registries.js"),
    import("./endpoints.js"),
    import("./credentials.js"),
  ]);
  return openRegistries(env, endpointFinder(env), credentialStore(env));
}
