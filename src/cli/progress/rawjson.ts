/** Progress for programs: one JSON object a line. The format is described in docs/cli.md. */
import type { NacreEvent } from "../../support/events.js";
import type { SourcePlace } from "../../support/source.js";
import { printableJson } from "../terminalText.js";

/** One event as a line of JSON, without a terminator. A place is given by file and range, not with the whole text. */
export function eventToJson(event: NacreEvent): string {
  if ((event.type !== "warning" && event.type !== "note") || !event.place) return printableJson(event);
  return printableJson({ ...event, place: placeToJson(event.place) });
}

/** A place as programs get it: `{"file":"Dockerfile","range":{"start":{"line":3,"column":0},"end":…}}`. */
export function placeToJson(place: SourcePlace): Omit<SourcePlace, "text"> {
  const { file, range, note } = place;
  return { file, range, note };
}
