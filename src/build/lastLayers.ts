/**
 * Which layer a step made last time, so that the next one can take unchanged contents from it. Only a hint: whatever
 * it leads to is checked byte for byte while it is used.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { PreviousLayer } from "../compose/write.js";
import type { OpenLayers } from "../image/layers.js";
import type { WrittenLayer } from "../layer/layerWriter.js";
import { type DiffId, isDigest } from "../oci/digest.js";
import { layerType } from "../oci/mediaTypes.js";
import type { CopyStep } from "../plan/graph.js";
import { noteSpliced } from "../sandbox/splicedLayers.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson, type Json } from "../support/json.js";
import { contextIdentity } from "./inputs.js";
import type { Session } from "./session.js";

/** The layer that this step of this project made last, or undefined. */
export async function lastLayer(
  session: Session,
  open: OpenLayers,
  step: CopyStep,
): Promise<PreviousLayer | undefined> {
  try {
    const diffId = readHint(session, step);
    if (diffId === undefined) return undefined;
    session.lease.protect([diffId]);
    const size = session.store.blobSize(diffId);
    if (size === undefined || !session.store.hasIndex(diffId)) return undefined;
    return await open.layer({ diffId, descriptor: { mediaType: layerType("none"), digest: diffId, size } });
  } catch {
    return undefined;
  }
}

function readHint(session: Session, step: CopyStep): DiffId | undefined {
  try {
    const text = readFileSync(hintPath(session, step), "latin1");
    return isDigest(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** True if a step of this form has been made in any project, so that a record may answer for it. */
export function hasBeenMade(session: Session, step: CopyStep): boolean {
  return existsSync(formPath(session, step));
}

/** Notes the layer for the next time, and that the one before differs little from it: snapshots are made from that. */
export function rememberLayer(session: Session, step: CopyStep, layer: WrittenLayer): void {
  try {
    const before = readHint(session, step);
    if (before !== undefined) noteSpliced(session.store, layer.diffId, before);
    for (const path of [hintPath(session, step), formPath(session, step)]) writeFileSync(path, layer.diffId, "latin1");
  } catch {
    // Without the hint the next build is slower, nothing else.
  }
}

/** Steps are the same if they do the same to the same context, whatever is in it now. */
function hintPath(session: Session, step: CopyStep): string {
  const name = step.from.kind === "context" ? step.from.name : "";
  const root = contextIdentity(session.request, name);
  return session.store.statPath(sha256Hex(canonicalJson({ root, ...formOf(step) })));
}

function formPath(session: Session, step: CopyStep): string {
  return session.store.statPath(sha256Hex(canonicalJson(formOf(step))));
}

function formOf(step: CopyStep): { readonly [key: string]: Json | undefined } {
  const { keyword, sources, destination, chown, chmod, exclude } = step;
  return { keyword, sources, destination, chown, chmod, exclude };
}
