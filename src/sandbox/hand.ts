/**
 * What the process that makes roots is able to do, found by trying once. "The hand" is nacre itself where it is root, else
 * a worker process of nacre that is root in a user namespace: the same code runs in both.
 */
import type { Loss } from "./types.js";

/** See the top of this file. */
export interface Hand {
  /**
   * Names the world in which files are owned: `root` where ids are the host's, else a letter and a hash of the id mapping.
   * Part of the names of snapshots: those of one world mean nothing in another. Matches `[a-z][a-z0-9]*`.
   */
  readonly flavour: string;
  /** Name space of overlayfs's own attributes: `user` inside a user namespace (mount option `userxattr`). */
  readonly overlayXattrs: "trusted" | "user";
  /** Only id 0 exists: files keep no owners. */
  readonly singleId: boolean;
  /** Device nodes (other than whiteouts) can be made with mknod. */
  readonly devices: boolean;
  /** Where the upper directory of an overlay can be: in the store, or in this directory on a tmpfs; undefined: overlays cannot be mounted. */
  readonly upper: "store" | { readonly tmpfs: string } | undefined;
}

/** What is lost under a hand, sorted. */
export function lossesOf(hand: Hand): readonly Loss[] {
  const losses: Loss[] = [];
  if (!hand.devices) losses.push("devices");
  if (hand.singleId) losses.push("owners");
  return losses;
}
