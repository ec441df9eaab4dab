/**
 * The way to registries. In come the environment, who finds out whom to ask, and who keeps credentials; out go clients of
 * repositories that share connections, tokens and what was learned of each registry. What they hand out has been verified;
 * credentials go to nobody but the registry that they are for, and the token server that it names.
 */
import { NacreError } from "../support/errors.js";
import { CATALOG_SCOPE, repositoryScope } from "./authChallenge.js";
import { Client, type ClientShared } from "./client.js";
import { HTTP_LIMITS } from "./httpClient.js";
import { PAGE_SIZE, pages, textsOf } from "./pages.js";
import { Tokens } from "./tokens.js";
import { Transport } from "./transport.js";
import { Exchange } from "./transportExchange.js";
import { REGISTRY_ATTEMPTS } from "./transportRetry.js";
import type {
  CredentialStore,
  Endpoint,
  EndpointFinder,
  Registries,
  RegistryAction,
  RegistryEnv,
  RepositoryClient,
} from "./types.js";

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
/** What stands for the repository where an endpoint is asked for the whole registry. */
const NO_REPOSITORY = "";

/** Opens the way to registries. Nothing is read or sent before it is needed. */
export function openRegistries(env: RegistryEnv, finder: EndpointFinder, credentials: CredentialStore): Registries {
  return new RegistrySet(env, finder, credentials);
}

/**
 * Asks a registry whether it lets these credentials in.
 * @throws NacreError DENIED if it does not; NETWORK, CANCELLED
 */
export async function pingRegistry(
  host: string,
  env: RegistryEnv,
  finder: EndpointFinder,
  credentials: CredentialStore,
): Promise<void> {
  const registries = new RegistrySet(env, finder, credentials);
  try {
    await registries.ping(host);
  } finally {
    await registries.close();
  }
}

class RegistrySet implements Registries {
  readonly #finder: EndpointFinder;
  readonly #shared: ClientShared;

  constructor(env: RegistryEnv, finder: EndpointFinder, credentials: CredentialStore) {
    const limits = { ...HTTP_LIMITS, attempts: REGISTRY_ATTEMPTS, ...env.limits };
    const transport = new Transport(env, limits);
    this.#finder = finder;
    this.#shared = {
      ...{ env, limits, transport, credentials, tokens: new Tokens(env, limits, transport) },
      ...{ ways: new Map(), found: new Map(), bases: new Map(), reached: new Map(), down: new Map() },
      warned: new Set(),
    };
  }

  open(host: string, repository: string, action: RegistryAction): RepositoryClient {
    assertRepository(repository);
    const endpoints = this.#endpoints(host, repository, action);
    const exchanges = endpoints.map((endpoint, at) => {
      const scopes = [repositoryScope(endpoint.repository, action === "push" ? "pull,push" : "pull")];
      const replaceable = at < endpoints.length - 1;
      return new Exchange({ endpoint, registry: host, repository, action, scopes, replaceable }, this.#shared);
    });
    return new Client(host, repository, exchanges, this.#shared);
  }

  async *catalog(host: string): AsyncGenerator<string> {
    const exchange = this.#whole(host, [CATALOG_SCOPE]);
    for await (const { json } of pages(exchange, `_catalog?n=${PAGE_SIZE}`, `list the repositories of ${host}`)) {
      yield* textsOf(json, "repositories").filter((name) => REPOSITORY.test(name));
    }
  }

  async ping(host: string): Promise<void> {
    const exchange = this.#whole(host, []);
    const answer = await exchange.call({ method: "GET", to: "", accept: [200], doing: `log in to ${host}` });
    await answer.discard();
  }

  close(): Promise<void> {
    return this.#shared.transport.close();
  }

  /** The registry itself, asked for no repository. */
  #whole(host: string, scopes: readonly string[]): Exchange {
    const endpoint = { ...this.#endpoints(host, NO_REPOSITORY, "push")[0]!, repository: NO_REPOSITORY };
    return new Exchange(
      { endpoint, registry: host, repository: NO_REPOSITORY, action: "pull", scopes, replaceable: false },
      this.#shared,
    );
  }

  /** Those that may do it: all that may be read from, or the one that is written to. */
  #endpoints(host: string, repository: string, action: RegistryAction): readonly Endpoint[] {
    const all = this.#finder.endpoints(host, repository, action);
    const able = all.filter(({ capabilities: has }) =>
      action === "push" ? has.has("push") : has.has("pull") || has.has("resolve"),
    );
    if (able.length === 0) {
      throw new NacreError(
        "NOT_ALLOWED",
        `the configuration has no host that may be used to ${action} ${host}/${repository}`,
        {
          hint: "look at the capabilities in certs.d and hosts.toml",
        },
      );
    }
    return action === "push" ? able.slice(0, 1) : able;
  }
}

/** A name becomes a part of addresses and of token scopes. @throws NacreError REFERENCE_INVALID */
function assertRepository(repository: string): void {
  if (repository.length <= 255 && REPOSITORY.test(repository)) return;
  throw new NacreError("REFERENCE_INVALID", `${JSON.stringify(repository.slice(0, 300))} is not a repository name`, {
    hint: "write it in lower case letters, digits, and . _ - / between them",
  });
}
