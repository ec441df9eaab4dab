/** Values that look like secrets by themselves: tokens with the marks of those who issue them, private keys. */

/** One kind of secret. */
interface SecretKind {
  /** With its article: `a GitHub token`. */
  readonly what: string;
  /** The first group is what has to look random. */
  readonly pattern: RegExp;
}

const KINDS: readonly SecretKind[] = [
  { what: "an AWS access key", pattern: /\b(?:AKIA|ASIA)([A-Z0-9]{16})\b/g },
  { what: "a GitHub token", pattern: /\bgh[pousr]_([A-Za-z0-9]{36,})\b/g },
  { what: "a GitHub token", pattern: /\bgithub_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{50,})\b/g },
  { what: "a GitLab token", pattern: /\bgl(?:pat|dt|rt|ptt)-([\w-]{20,})/g },
  { what: "a Slack token", pattern: /\bxox[abprs]-((?:\d+-)+[A-Za-z0-9-]{20,})/g },
  { what: "a Stripe key", pattern: /\b[sr]k_live_([A-Za-z0-9]{24,})\b/g },
  { what: "an npm token", pattern: /\bnpm_([A-Za-z0-9]{36})\b/g },
  { what: "a PyPI token", pattern: /\bpypi-(AgEI[\w-]{50,})/g },
  { what: "a Google API key", pattern: /\bAIza([\w-]{35})\b/g },
  { what: "a Docker Hub token", pattern: /\bdckr_pat_([\w-]{20,})/g },
  { what: "a DigitalOcean token", pattern: /\bdo[pr]_v1_([a-f0-9]{64})\b/g },
  { what: "a SendGrid key", pattern: /\bSG\.([\w-]{22}\.[\w-]{43})\b/g },
  { what: "a Hugging Face token", pattern: /\bhf_([A-Za-z0-9]{34,})\b/g },
  { what: "an API key", pattern: /\bsk-(?:ant-|proj-)([\w-]{32,})/g },
  {
    what: "a private key",
    pattern: /-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP) )?PRIVATE KEY(?: BLOCK)?-----/g,
  },
  { what: "a password in an address", pattern: /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@'"$]+:([^\s:/@'"${}<>*]{6,})@/gi },
];

/** Fewer different characters than this are a placeholder: `ghp_xxxxxxxx`. */
const LEAST_VARIETY = 8;
const PLACEHOLDER = /EXAMPLE|example|placeholder|changeme|change-me|password|passwd|secret|your|xxxx|XXXX|\.\.\./;

/** A value that looks like a secret. */
export interface SecretValue {
  /** With its article: `a GitHub token`. */
  readonly what: string;
  /** The value with all but its beginning hidden. */
  readonly masked: string;
}

/** The first thing in a text that looks like a secret. */
export function findSecret(text: string): SecretValue | undefined {
  for (const { what, pattern } of KINDS) {
    for (const match of text.matchAll(pattern)) {
      const [whole, random] = match;
      if (random !== undefined && !looksRandom(random, what)) continue;
      return { what, masked: maskOf(whole, random) };
    }
  }
  return undefined;
}

function looksRandom(text: string, what: string): boolean {
  if (PLACEHOLDER.test(text)) return false;
  const least = what === "a password in an address" ? 5 : LEAST_VARIETY;
  return new Set(text).size >= least;
}

function maskOf(whole: string, random: string | undefined): string {
  if (random === undefined) return `${whole} …`;
  const start = whole.indexOf(random);
  return `${whole.slice(0, start)}****${whole.slice(start + random.length)}`;
}
