/** SecretInContextCopied: files that hold secrets and that a COPY takes along. */

import { ignorePatternOf } from "../build/missingSource.js";
import type { LocalContext } from "../context/local.js";
import { soundsSecret } from "../dockerfile/lint/secretNames.js";
import { pathOf, type TreeNode } from "../layer/fileTree.js";
import type { CopyStep, Plan, Step } from "../plan/graph.js";
import { fromByteString } from "../support/bytes.js";
import { readSmallText, SMALL_TEXT } from "./contextText.js";
import { type Finding, finding, listed } from "./finding.js";
import { findSecret } from "./secretValues.js";
import { copiedParts, type UsedPart } from "./usedFiles.js";

/** More files with such names are not opened. */
const MAX_FILES = 500;
/** Directories whose keys are there to be seen: tests, and packages of others. */
const HARMLESS =
  /^(?:tests?|__tests__|testdata|test-data|fixtures?|specs?|examples?|samples?|mocks?|node_modules|vendor|site-packages|dist-packages|\.git)$/i;

/** A kind of file, by its name, and how its content shows that there is a secret in it. */
interface SecretFile {
  readonly name: RegExp;
  readonly holds: (text: string) => boolean;
  readonly what: string;
}

const KINDS: readonly SecretFile[] = [
  { name: /^id_(?:rsa|dsa|ecdsa|ed25519)$|\.(?:pem|key|ppk)$/, holds: isPrivateKey, what: "a private key" },
  {
    name: /^\.env(?:\.(?!example|sample|template|dist|test|ci)\w+)*$/,
    holds: hasSecretVariable,
    what: "secret settings",
  },
  { name: /^\.npmrc$|^\.yarnrc(?:\.yml)?$/, holds: hasNpmToken, what: "a registry token" },
  {
    name: /^\.pypirc$|^\.netrc$|^_netrc$/,
    holds: (text) => /^\s*password\s*[=:\s]\s*[^\s$<{]{4,}/m.test(text) || /\bpassword\s+[^\s$<{]{4,}/.test(text),
    what: "a password",
  },
  { name: /^\.git-credentials$/, holds: (text) => /:\/\/[^:\s]+:[^@\s]+@/.test(text), what: "a password" },
  {
    name: /^credentials$/,
    holds: (text) => /aws_secret_access_key\s*=\s*[A-Za-z0-9/+]{40}/.test(text),
    what: "an AWS secret key",
  },
  {
    name: /^\.?dockerconfigjson$|^config\.json$|^\.dockercfg$/,
    holds: (text) => /"auth"\s*:\s*"[A-Za-z0-9+/=]{8,}"/.test(text),
    what: "registry credentials",
  },
  {
    name: /\.json$/,
    holds: (text) => /"private_key"\s*:\s*"-----BEGIN [A-Z ]*PRIVATE KEY/.test(text),
    what: "a service account's key",
  },
  {
    name: /^kubeconfig$|\.kubeconfig$/,
    holds: (text) => /^\s*(?:client-key-data|token):\s*\S{20,}/m.test(text),
    what: "cluster credentials",
  },
];

/** Findings for the steps that end in the image of a plan. */
export function secretFileFindings(plan: Plan, context: LocalContext): readonly Finding[] {
  const findings: Finding[] = [];
  for (const step of targetChain(plan)) {
    if (step.kind !== "copy") continue;
    const secrets = secretsIn(step, context);
    if (secrets.length > 0) findings.push(findingOf(step, secrets));
  }
  return findings;
}

/** The steps whose layers the image has, the first one first. */
function targetChain(plan: Plan): readonly Step[] {
  const chain: Step[] = [];
  for (let at = plan.target.result; at.kind === "step"; at = plan.steps[at.id]!.parent) chain.push(plan.steps[at.id]!);
  return chain.reverse();
}

interface Secret {
  readonly node: TreeNode;
  readonly what: string;
}

function findingOf(step: CopyStep, secrets: readonly Secret[]): Finding {
  const names = secrets.map(({ node, what }) => `${fromByteString(pathOf(node))} (${what})`);
  const lines = secrets.slice(0, 5).map(({ node }) => ignorePatternOf(pathOf(node)));
  const verb = `${step.keyword} takes ${listed(names)} into the image`;
  const fix = `write into .dockerignore: ${lines.join(", ")}; a step that needs one can have it with RUN --mount=type=secret`;
  return finding("SecretInContextCopied", step.place, verb, fix);
}

function secretsIn(step: CopyStep, context: LocalContext): readonly Secret[] {
  const candidates = copiedParts(step, context).flatMap((part) => candidatesIn(part, context));
  const chosen = [...new Map(candidates.map((one) => [one.node, one])).values()].slice(0, MAX_FILES);
  const found: Secret[] = [];
  for (const { node, kinds } of chosen) {
    const text = readSmallText(context, node);
    const kind = text === undefined ? undefined : kinds.find(({ holds }) => holds(text));
    if (kind) found.push({ node, what: kind.what });
  }
  return found;
}

interface Candidate {
  readonly node: TreeNode;
  readonly kinds: readonly SecretFile[];
}

function candidatesIn({ node, takes }: UsedPart, context: LocalContext): readonly Candidate[] {
  const found: Candidate[] = [];
  const visit = (at: TreeNode): void => {
    if (at !== node && takes?.(at) === false && at.type !== "dir") return;
    if (at.type === "dir") {
      // What a COPY names itself is looked at whatever it is called.
      for (const child of context.children(at)) if (child.type !== "dir" || !HARMLESS.test(child.name)) visit(child);
      return;
    }
    if (at.type !== "file" || at.size === 0 || at.size > SMALL_TEXT) return;
    const kinds = KINDS.filter(({ name }) => name.test(at.name));
    if (kinds.length > 0 && !isGenericJson(at, kinds)) found.push({ node: at, kinds });
  };
  visit(node);
  return found;
}

/** Of the many .json files only those are read whose names speak of credentials. */
function isGenericJson({ name }: TreeNode, kinds: readonly SecretFile[]): boolean {
  if (!name.endsWith(".json") || kinds.length > 1) return false;
  return !/credential|service[-_]?account|secret|key|gcp|gcloud|firebase|auth/i.test(name);
}

function isPrivateKey(text: string): boolean {
  return /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|^PuTTY-User-Key-File/m.test(text);
}

/** `NAME=value` where the name sounds secret and the value is neither empty, a reference nor a placeholder. */
function hasSecretVariable(text: string): boolean {
  return text.split("\n").some((line) => {
    const [, name = "", value = ""] = /^\s*(?:export\s+)?(\w+)\s*=\s*["']?([^"'\s#]*)/.exec(line) ?? [];
    if (findSecret(value)) return true;
    return soundsSecret(name) && value.length >= 6 && !isPlaceholder(value);
  });
}

function isPlaceholder(value: string): boolean {
  return /^[<$%{[]|^(.)\1*$|change|example|your|placeholder|^(?:test|dev|local|dummy|fake|none|null|true|false|password|secret|postgres|root|admin)\w{0,4}$|^\d+$|^https?:\/\/[^@]*$/i.test(
    value,
  );
}

function hasNpmToken(text: string): boolean {
  return /(?:_authToken|_password|_auth|npmAuthToken)\s*[=:]\s*["']?[^\s"'$<{]{8,}/.test(text);
}
