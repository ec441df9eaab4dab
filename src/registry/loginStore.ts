/** How logins are kept and removed: with helper programs and in files. */
import { NacreError } from "../support/errors.js";
import { removeEntries, setEntry } from "./credentialEdit.js";
import {
  AUTH_VARIABLE,
  basicCredentials,
  type CredentialFile,
  credentialPaths,
  keyOf,
  readCredentialFile,
} from "./credentialFiles.js";
import { eraseFromHelper, type HelperName, storeInHelper } from "./credentialHelper.js";
import { askHelper, credentialSources, credentialStore, helperFor, helperKeys, helperSetting } from "./credentials.js";
import type { Login, LoginRequest, LoginWorld, Logout } from "./loginTypes.js";
import { canonicalHost, HUB, isRegistryHost } from "./registryHost.js";
import type { CredentialStore, Credentials, EndpointFinder } from "./types.js";

/** See `login`. */
export async function performLogin(request: LoginRequest, world: LoginWorld): Promise<Login> {
  const host = loginHost(request.host);
  if (request.username === undefined && request.password === undefined) return retryLogin(host, world);
  const { username = "", password = "" } = request;
  const credentials = basicCredentials(username, password, (why) => wrongLogin(`the login ${why}`));
  if (username === "" || password === "") throw wrongLogin("a login needs a user name and a password");
  await check(host, credentials, world);
  const keptIn = await keep(host, username, password, world);
  return { host, username, keptIn };
}

async function check(host: string, credentials: Credentials, world: LoginWorld): Promise<void> {
  if (world.check) return world.check(host, credentials);
  const [{ endpointFinder }, { pingRegistry }] = await Promise.all([
    import("./endpoints.js"),
    import("./registries.js"),
  ]);
  const finder = endpointFinder(world.env, world);
  // The registry itself, which comes last: what a mirror says of a login means nothing.
  const itself: EndpointFinder = { endpoints: (...of) => finder.endpoints(...of).slice(-1) };
  const store: CredentialStore = { find: async (one) => (canonicalHost(one) === host ? credentials : undefined) };
  await pingRegistry(host, world.env, itself, store);
}

async function retryLogin(host: string, world: LoginWorld): Promise<Login> {
  const credentials = await credentialStore(world.env, world).find(host);
  if (credentials === undefined) {
    throw new NacreError("CREDENTIALS", `there are no credentials for ${host}`, {
      hint: "give a user name and a password: nacre login -u USER --password-stdin",
    });
  }
  await check(host, credentials, world);
  return { host, username: credentials.kind === "basic" ? credentials.username : undefined, keptIn: undefined };
}

/**
 * The host that someone means to log in to.
 * @throws NacreError USAGE
 */
export function loginHost(text: string | undefined): string {
  const host = (text ?? HUB).replace(/^https?:\/\//i, "").replace(/\/.*$/s, "");
  if (isRegistryHost(host)) return canonicalHost(host);
  throw new NacreError("USAGE", `${JSON.stringify(text)} is not a registry`, { hint: "write it as HOST or HOST:PORT" });
}

async function keep(host: string, username: string, password: string, world: LoginWorld): Promise<Login["keptIn"]> {
  const { env, root } = world;
  const { primary } = credentialPaths(env.env, root);
  if (env.env[AUTH_VARIABLE]) {
    env.warn("CredentialsOverridden", `${AUTH_VARIABLE} is set and is asked before what is kept now`);
  }
  const file = readCredentialFile(primary);
  const helper = file && helperFor(file, host);
  if (helper) {
    await storeInHelper(helper, keyOf(host), { username, secret: password }, helperSetting(env, world));
    // As docker has it: the entry says that there is a login, and nothing more.
    setEntry(primary, host, {});
    return { kind: "helper", name: `docker-credential-${helper.suffix}` };
  }
  setEntry(primary, host, { auth: Buffer.from(`${username}:${password}`).toString("base64") });
  env.warn(
    "CredentialsUnencrypted",
    `the password is kept unencrypted in ${primary}: a credential helper (credsStore) keeps it safer`,
  );
  return { kind: "file", name: primary };
}

function wrongLogin(message: string): NacreError {
  return new NacreError("USAGE", message, { hint: "see: nacre login --help" });
}

/** See `logout`. */
export async function performLogout(name: string | undefined, world: Omit<LoginWorld, "check">): Promise<Logout> {
  const host = loginHost(name);
  const { env, root } = world;
  const removedFrom: string[] = [];
  const leftIn: string[] = [];
  const failures: unknown[] = [];
  for (const file of credentialSources(env, credentialPaths(env.env, root))) {
    const helper = helperFor(file, host);
    if (helper) {
      const removed = await forget(helper, host, world).catch((error: unknown) => void failures.push(error));
      if (removed) removedFrom.push(`docker-credential-${helper.suffix}`);
    }
    if (file.name === AUTH_VARIABLE) leftIn.push(...partsOf(file, host, true));
    else {
      if (removeEntries(file.name, host)) removedFrom.push(file.name);
      leftIn.push(...partsOf(file, host, false));
    }
  }
  if (failures.length > 0) throw failures[0];
  return { host, removedFrom: [...new Set(removedFrom)], leftIn };
}

async function forget(helper: HelperName, host: string, world: Omit<LoginWorld, "check">): Promise<boolean> {
  const setting = helperSetting(world.env, world);
  if ((await askHelper(helper, host, setting)) === undefined) return false;
  for (const key of helperKeys(host)) await eraseFromHelper(helper, key, setting);
  return true;
}

/** Entries of a file that a logout leaves: those of namespaces, and in the variable all. */
function partsOf(file: CredentialFile, host: string, all: boolean): string[] {
  const left = file.entries.filter((entry) => entry.host === host && (all || entry.path !== undefined));
  return left.map((entry) => `${file.name} (${entry.path === undefined ? host : `${host}/${entry.path}`})`);
}
