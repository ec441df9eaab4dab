/**
 * Whom https trusts: the authorities that Node brings, and those of the system, which is where companies put theirs and
 * where Docker looks; or, as Go's programs have it, only those in the file that `SSL_CERT_FILE` names.
 */
import * as fs from "node:fs";
import * as tls from "node:tls";
import { NacreError } from "../support/errors.js";
import type { Environment } from "./httpProxy.js";

/** Where systems keep all authorities in one file (Go: crypto/x509, root_linux.go, root_bsd.go). */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const MAX_BUNDLE_BYTES = 16 << 20;

const contexts = new Map<string, tls.SecureContext>();

/** A context for connections that trusts them; made once, since reading hundreds of certificates takes a while. */
export function trust(env: Environment): tls.SecureContext {
  const key = JSON.stringify([env.SSL_CERT_FILE ?? "", env.NODE_EXTRA_CA_CERTS ?? ""]);
  const context = contexts.get(key) ?? tls.createSecureContext({ ca: authorities(env) });
  contexts.set(key, context);
  return context;
}

/**
 * All that is trusted, as PEM texts.
 * @throws NacreError NETWORK if a file that the environment names cannot be read
 */
export function authorities(env: Environment): string[] {
  if (env.SSL_CERT_FILE) return [read("SSL_CERT_FILE", env.SSL_CERT_FILE)];
  const bundle = BUNDLES.find((path) => fs.existsSync(path));
  const extra = env.NODE_EXTRA_CA_CERTS;
  return [
    ...tls.rootCertificates,
    ...(bundle === undefined ? [] : [read(bundle, bundle)]),
    ...(extra ? [read("NODE_EXTRA_CA_CERTS", extra)] : []),
  ];
}

function read(name: string, path: string): string {
  try {
    if (fs.statSync(path).size > MAX_BUNDLE_BYTES) throw new Error("it is too big");
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^E[A-Z0-9]+: /, "") : String(error);
    throw new NacreError("NETWORK", `the certificates in ${path} cannot be read: ${why}`, {
      hint: `mend ${name}, or unset it`,
      cause: error,
    });
  }
}
