/** The text that is being read, for all who must point at a place in it. */
import { NacreError } from "../support/errors.js";
import type { SourcePlace, SourceRange } from "../support/source.js";

/** A text with its name; makes the errors that point into it. */
export class SourceText {
  /** The file's name as the user gave it. */
  readonly file: string;
  /** What is scanned. */
  readonly text: string;
  /** For a text that stands in no file (a trigger of a base image): the place that all its errors point at. */
  readonly standIn: SourcePlace | undefined;

  constructor(file: string, text: string, standIn?: SourcePlace) {
    this.file = file;
    this.text = text;
    this.standIn = standIn;
  }

  /** The place of a range, for errors and warnings. */
  place(range: SourceRange): SourcePlace {
    return this.standIn ?? { file: this.file, text: this.text, range };
  }

  /** A DOCKERFILE_SYNTAX error at the range. */
  error(message: string, range: SourceRange, hint?: string): NacreError {
    return new NacreError("DOCKERFILE_SYNTAX", message, { hint, place: this.place(range) });
  }

  /** A LIMIT_EXCEEDED error at the range. */
  limit(message: string, range: SourceRange, hint?: string): NacreError {
    return new NacreError("LIMIT_EXCEEDED", message, { hint, place: this.place(range) });
  }
}
