/** What a change would have saved over the builds that are known. */
import type { CandidateChange, Known } from "./candidate.js";
import { Replay, type ReplayedBuild, type Saving, savingOf } from "./replay.js";
import { presentReplay } from "./variant.js";

/** The builds as they would have been with a change. */
export function replayChange({ builds, present }: Known, change: CandidateChange): readonly ReplayedBuild[] {
  const replay = new Replay(builds);
  if (change.kind === "dockerfile") return replay.run(change.variant.replay);
  return replay.run({ ...presentReplay(present.plan), removes: change.removes });
}

/** What a change would have saved; the time may be negative. */
export function replaySaving(known: Known, change: CandidateChange): Saving {
  return savingOf(known.before, replayChange(known, change));
}
