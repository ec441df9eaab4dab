/** A client that believes everything it is told, and never tries again: what pulling checks, it checks itself. */
import * as http from "node:http";
import type { Digest } from "../../src/oci/digest.js";
import { isDigest } from "../../src/oci/digest.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { parseReference, type Reference } from "../../src/oci/reference.js";
import type { RepositoryClient } from "../../src/registry/types.js";
import { NacreError } from "../../src/support/errors.js";

const ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ");

/** The reference of an image in a registry on loopback, and a client for it. */
export function plainly(host: string, name: string): { reference: Reference; client: RepositoryClient } {
  const reference = parseReference(`${host}/${name}`);
  return { reference, client: plainClient(host, reference.path) };
}

/** A client for reading one repository. */
export function plainClient(host: string, repository: string): RepositoryClient {
  const base = `http://${host}/v2/${repository}`;
  const never = (): never => {
    throw new Error("this client only reads");
  };
  return {
    host,
    repository,
    async resolve(reference) {
      const answer = await ask(`${base}/manifests/${reference}`, "HEAD", { accept: ACCEPT });
      answer.resume();
      return answer.statusCode === 404 ? undefined : described(answer);
    },
    async manifest(reference) {
      const answer = await ask(`${base}/manifests/${reference}`, "GET", { accept: ACCEPT });
      const chunks: Buffer[] = [];
      for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
      return answer.statusCode === 404 ? undefined : { descriptor: described(answer), bytes: Buffer.concat(chunks) };
    },
    blobSize: async () => undefined,
    async *blob({ digest }: Descriptor, { offset = 0 } = {}) {
      const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
      const answer = await ask(`${base}/blobs/${digest}`, "GET", headers);
      try {
        yield* answer as AsyncIterable<Buffer>;
      } catch (error) {
        throw new NacreError("NETWORK", `the connection was cut: ${String(error)}`);
      }
      if (!answer.complete) throw new NacreError("NETWORK", "the connection was cut");
    },
    mount: never,
    upload: never,
    uploadStream: never,
    putManifest: never,
    tags: never,
    referrers: never,
    putReferrer: never,
    rateLimit: () => undefined,
  };
}

function described({ headers }: http.IncomingMessage): Descriptor {
  const digest = headers["docker-content-digest"];
  if (!isDigest(digest)) throw new Error(`no digest: ${String(digest)}`);
  return {
    mediaType: headers["content-type"] ?? "",
    digest: digest as Digest,
    size: Number(headers["content-length"] ?? 0),
  };
}

function ask(url: string, method: string, headers: Record<string, string>): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, resolve);
    request.on("error", (error) => reject(new NacreError("NETWORK", error.message)));
    request.end();
  });
}
