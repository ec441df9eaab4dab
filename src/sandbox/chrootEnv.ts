/** What runs at level `chroot` share. */
import type { OpenLayers } from "../image/layers.js";
import type { Lease, Store } from "../store/store.js";
import type { Hand } from "./hand.js";
import type { RunCaches } from "./overlayRun.js";
import type { SandboxEvents } from "./types.js";

/** What a run works with. */
export interface ChrootEnv {
  readonly store: Store;
  /** Protects what the run uses and makes; lives longer than it. */
  readonly lease: Lease;
  readonly layers: OpenLayers;
  readonly hand: Hand;
  readonly events: SandboxEvents;
  readonly caches: RunCaches;
}
