/** Names of variables that sound like secrets (BuildKit's rule SecretsUsedInArgOrEnv). */

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** True if a word of the name, between `_` or its ends, sounds like a secret and none says that it is harmless. */
export function soundsSecret(name: string): boolean {
  return SECRET.test(name) && !HARMLESS.test(name);
}
