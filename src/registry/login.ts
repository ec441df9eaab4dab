/**
 * Logging in to a registry and out of it. In: host, user name and password. Out: credentials that were tried on the
 * registry, kept where every tool that reads Docker's configuration finds them. This face is loaded with the library; the
 * work is loaded when it is asked for.
 */
import type { Login, LoginRequest, LoginWorld, Logout } from "./loginTypes.js";

/**
 * Tries credentials on a registry and keeps them: with the helper program that the configuration names, else in the
 * `config.json`, of which everything else stays.
 * @throws NacreError USAGE for a wrong host or user name; DENIED if the registry refuses them, NETWORK if it cannot be asked:
 * then nothing is kept; CREDENTIALS if there are none to try or they cannot be kept
 */
export async function login(request: LoginRequest, world: LoginWorld): Promise<Login> {
  return (await import("./loginStore.js")).performLogin(request, world);
}

/**
 * Removes the credentials of a registry from everywhere that nacre would find them.
 * @param host as for {@link login}
 * @throws NacreError USAGE, CREDENTIALS
 */
export async function logout(host: string | undefined, world: Omit<LoginWorld, "check">): Promise<Logout> {
  return (await import("./loginStore.js")).performLogout(host, world);
}
