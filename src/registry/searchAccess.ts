/** What searches and lists of tags use to ask registries, made from an environment where the caller has none. */
import type { SearchAccess } from "./searchTypes.js";
import type { Registries, RegistryEnv } from "./types.js";

/** Does something with an access, and closes it if it was made here. */
export async function withAccess<T>(
  env: RegistryEnv,
  given: SearchAccess | undefined,
  work: (access: SearchAccess) => Promise<T>,
): Promise<T> {
  if (given) return work(given);
  const [{ endpointFinder }, { credentialStore }] = await Promise.all([
    import("./endpoints.js"),
    import("./credentials.js"),
  ]);
  const [endpoints, credentials] = [endpointFinder(env), credentialStore(env)];
  let opened: Promise<Registries> | undefined;
  const open = async (): Promise<Registries> => {
    const { openRegistries } = await import("./registries.js");
    return openRegistries(env, endpoints, credentials);
  };
  const registries = (): Promise<Registries> => {
    opened ??= open();
    return opened;
  };
  try {
    return await work({ endpoints, credentials, registries });
  } finally {
    await (await opened)?.close();
  }
}
