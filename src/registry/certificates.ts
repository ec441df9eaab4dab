/**
 * Certificates of registries from directories by host, as Docker and the tools around containers/image keep them: `*.crt`
 * are authorities, `*.cert` and `*.key` of the same name are a client's certificate and key (containers-certs.d(5)).
 */
import { join } from "node:path";
import { type ConfigKind, configError, isDirectory, readConfigDirectory, readConfigFile } from "./configFile.js";
import { hideValues } from "./secret.js";
import type { EndpointTls } from "./types.js";

const CERTIFICATES: ConfigKind = { code: "USAGE", hint: "mend the file, or remove it" };

/**
 * The certificates for a host: those of the first directory that is there.
 * @param roots directories with a directory for each host
 * @param names of the host, the most exact first, e.g. `localhost:5000`
 * @throws NacreError USAGE if one cannot be read or its other half is missing
 */
export function certificatesFor(roots: readonly string[], names: readonly string[]): EndpointTls | undefined {
  for (const root of roots) {
    if (!isDirectory(root)) continue;
    const found = names.map((name) => join(root, name)).find(isDirectory);
    if (found !== undefined) return readCertificateDirectory(found);
  }
  return undefined;
}

/**
 * Reads one directory; undefined if it has nothing of that kind.
 * @throws NacreError USAGE
 */
export function readCertificateDirectory(directory: string): EndpointTls | undefined {
  const names = readConfigDirectory(directory, CERTIFICATES);
  const ca = names.filter((name) => name.endsWith(".crt")).map((name) => readCertificates(join(directory, name)));
  const stems = new Set(names.flatMap((name) => /^(.*)\.(?:cert|key)$/s.exec(name)?.[1] ?? []));
  const clientPairs = [...stems].map((stem) => {
    const [cert, key] = [`${stem}.cert`, `${stem}.key`];
    const missing = [cert, key].find((name) => !names.includes(name));
    if (missing === undefined) return readClientPair(join(directory, cert), join(directory, key));
    const other = missing === cert ? key : cert;
    const why = `${missing} is missing beside ${other} (authorities end in .crt)`;
    throw configError(CERTIFICATES, directory, why);
  });
  if (ca.length === 0 && clientPairs.length === 0) return undefined;
  return { ...(ca.length > 0 ? { ca } : {}), ...(clientPairs.length > 0 ? { clientPairs } : {}) };
}

/**
 * Reads authorities in PEM.
 * @throws NacreError USAGE if the file is not there or has none
 */
export function readCertificates(file: string): string {
  return readPem(file, /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/, "certificate");
}

/**
 * Reads a client's certificate and key, which may stand in one file.
 * @throws NacreError USAGE if one is not there or not in PEM
 */
export function readClientPair(cert: string, key: string): { readonly cert: string; readonly key: string } {
  return hideValues({
    cert: readCertificates(cert),
    key: readPem(key, /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/, "private key"),
  });
}

function readPem(file: string, form: RegExp, what: string): string {
  const text = readConfigFile(file, CERTIFICATES);
  if (text === undefined) throw configError(CERTIFICATES, file, "it is not there");
  if (!form.test(text)) throw configError(CERTIFICATES, file, `it has no ${what} in PEM`);
  return text;
}
