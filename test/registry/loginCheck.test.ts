/** Credentials are tried with the very files that say how a registry is reached. */
import { describe, expect, test } from "vitest";
import { credentialStore } from "../../src/registry/credentials.js";
import { endpointFinder } from "../../src/registry/endpoints.js";
import { openRegistries, pingRegistry } from "../../src/registry/registries.js";
import type { Credentials, RegistryEnv } from "../../src/registry/types.js";
import { toolMissing } from "../setup/tools.js";
import { basic, failureOf } from "./clientWorld.js";
import { REGISTRY_USERS, startRegistry } from "./servers/dockerRegistry.js";
import { makeImage, putImage } from "./servers/images.js";

/** Nothing of this machine is read. */
const env: RegistryEnv = {
  env: { HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent", NACRE_REGISTRIES_CONF: "/dev/null" },
  limits: { backoff: 1 },
  now: Date.now,
  warn: () => {},
};

describe.skipIf(toolMissing("docker-registry"))("a registry on loopback", () => {
  test.each([true, false])("lets in who has the password, and no other (https: %s)", async (tls) => {
    const { host } = await startRegistry({ htpasswd: true, tls });
    const check = (to: string, credentials: Credentials) =>
      pingRegistry(to, env, endpointFinder(env), { find: async () => credentials });
    await check(host, basic("ann", REGISTRY_USERS.ann));
    expect(await failureOf(check(host, basic("ann", "wrong")))).toMatchObject({ code: "DENIED" });
    expect(await failureOf(check(host, { kind: "identity", token: "x" }))).toMatchObject({ code: "DENIED" });
  });

  test("is found and read without any configuration", async () => {
    const registry = await startRegistry();
    const image = makeImage();
    await putImage(image, registry, "team/app", "1");
    const registries = openRegistries(env, endpointFinder(env), credentialStore(env));
    try {
      const found = await registries.open(registry.host, "team/app", "pull").resolve("1");
      expect(found?.digest).toBe(image.descriptor.digest);
    } finally {
      await registries.close();
    }
  });
});
