/**
 * Which arguments and variables may hold secrets. Wider than the check SecretsUsedInArgOrEnv: to hide too much in a listing
 * costs a look into the Dockerfile, to hide too little cannot be taken back.
 */
import { hideUserinfo } from "./url.js";

/** Words that are suspicious by themselves. */
const WORDS = /^(?:auth|authorization|cred|creds|key|keys|pass|pat|passphrase|pwd|pword|privatekey|signature|cookie)$/;
/** Parts that make any word suspicious. */
const PARTS = /secret|token|passw|credential|apikey|accesskey/;
/** Words that say that the value is a name or a number. */
const HARMLESS = /^(?:public|version|file|path|dir|id|url)$/;
/** The marks with which issuers of tokens begin them, and private keys. */
const VALUE =
  /\b(?:gh[pousr]_\w|github_pat_|gl(?:pat|dt|rt|ptt)-|xox[abprs]-|(?:AKIA|ASIA)[A-Z0-9]{12}|npm_\w{30}|pypi-AgEI|hf_\w{30}|dckr_pat_|sk-[\w-]{20}|[sr]k_live_|AIza[\w-]{30}|eyJ[\w-]{10,}\.eyJ)|-----BEGIN [A-Z ]*PRIVATE KEY/;

/** True if the name of an argument or variable sounds like that of a secret: `NPM_TOKEN`, `dbPassword`, `api-key`. */
export function mayBeSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  const sounds = words.some((word) => WORDS.test(word) || PARTS.test(word)) || PARTS.test(words.join(""));
  return sounds && !HARMLESS.test(words.at(-1)!) && !words.includes("public");
}

/** True if the value of an argument must not be kept: because of its name, or because it looks like a token or a key. */
export function mayBeSecret(name: string, value: string): boolean {
  return mayBeSecretName(name) || VALUE.test(value);
}

/** The value as it may be kept, without credentials in addresses; undefined if it may not. */
export function keepableValue(name: string, value: string): string | undefined {
  return mayBeSecret(name, value) ? undefined : hideUserinfo(value);
}
