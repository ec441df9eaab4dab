/**
 * Copying an image from one place to another, byte for byte: from and to registries, archives, the store and local
 * engines. Manifests keep their digests, blobs are never compressed anew; each byte is verified on its way, and between
 * registries none is kept.
 */

import type { ImageSource } from "../image/imageSource.js";
import type { Descriptor } from "../oci/documents.js";
import { type ImagePlace, parseImagePlace, showImagePlace } from "../oci/imagePlace.js";
import { isIndexType } from "../oci/mediaTypes.js";
import { localPlatform } from "../oci/platform.js";
import { NacreError } from "../support/errors.js";
import type { CopyPlan } from "./copyPlan.js";
import type { CopiedBlob, CopyEnv, CopyOptions, CopyReport } from "./copyRequest.js";

/**
 * Copies an image.
 * @param from `docker://NAME` or NAME, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:TAG]`, `store:NAME`,
 *   `docker-daemon:NAME`, `containers-storage:NAME`
 * @param to the same
 * @throws NacreError USAGE, REFERENCE_INVALID, IMAGE_NOT_FOUND, CONTENT_INVALID, LIMIT_EXCEEDED, NETWORK, DENIED,
 *   CREDENTIALS, OUTPUT, DISK_FULL, TOOL_MISSING, CANCELLED
 */
export async function copyImage(from: string, to: string, options: CopyOptions, env: CopyEnv): Promise<CopyReport> {
  const [source, target] = [parseImagePlace(from), parseImagePlace(to)];
  assertSense(target, options);
  const shown = { from: showImagePlace(source), to: showImagePlace(target) };
  if (target.kind === "store") {
    const { copyToStore } = await import("./copyToStore.js");
    const descriptor = await copyToStore(source, target.name, options, env);
    return { ...shown, descriptor, blobs: [], referrers: [], tags: [] };
  }
  const [{ planCopy }, { openCopySource }] = await Promise.all([import("./copyPlan.js"), import("./copyOpen.js")]);
  const opened = await openCopySource(source, env);
  try {
    const all = takesAll(target, opened.root, options);
    const platform = options.platform ?? localPlatform();
    const plan = await planCopy(opened, { platform, all, referrers: options.referrers === true });
    const blobs = await bring(plan, opened, target, env);
    return { ...shown, ...reportOf(plan), blobs };
  } finally {
    await opened.close();
  }
}

async function bring(
  plan: CopyPlan,
  source: ImageSource,
  target: Exclude<ImagePlace, { kind: "store" }>,
  env: CopyEnv,
): Promise<CopiedBlob[]> {
  const { copyToArchive, copyToEngine, copyToRegistry } = await import("./copyTarget.js");
  const blobs: CopiedBlob[] = [];
  const onBlob = (blob: CopiedBlob): void => {
    blobs.push(blob);
    env.onBlob?.(blob);
  };
  const told = { ...env, onBlob };
  if (target.kind === "registry") await copyToRegistry(plan, source, target.reference, told);
  else if (target.kind === "archive") await copyToArchive(plan, source, target, told);
  else await copyToEngine(plan, source, target, told);
  return blobs;
}

function reportOf({ image, referrers, tagged }: CopyPlan): Pick<CopyReport, "descriptor" | "referrers" | "tags"> {
  return {
    descriptor: image.root,
    referrers: referrers.map(({ root }) => root.digest),
    tags: tagged.map(({ tag }) => tag),
  };
}

/** Places that hold single images, and nothing beside them. */
function holdsSingles(target: ImagePlace): boolean {
  return target.kind === "engine" || (target.kind === "archive" && target.format === "docker-archive");
}

/** True if all of an index is copied. */
function takesAll(target: ImagePlace, root: Descriptor, options: CopyOptions): boolean {
  if (options.all !== true) return false;
  if (!isIndexType(root.mediaType) || !holdsSingles(target)) return true;
  if (options.allowDigestChange) return false;
  throw new NacreError("USAGE", `${showImagePlace(target)} cannot hold the image index ${root.digest}`, {
    hint: "choose one image with --platform, take this machine's with --allow-digest-change, or copy to oci-archive:FILE",
    facts: { digest: root.digest },
  });
}

function assertSense(target: ImagePlace, { all, platform, referrers }: CopyOptions): void {
  if (all && platform !== undefined) {
    throw new NacreError("USAGE", "all platforms and one platform cannot be copied at once", {
      hint: "leave out --all or --platform",
    });
  }
  if (referrers && (target.kind === "store" || holdsSingles(target))) {
    throw new NacreError("USAGE", `${showImagePlace(target)} cannot hold what refers to an image`, {
      hint: "leave --referrers out, or copy to a registry or to oci:DIR",
    });
  }
}
