/** Where the pieces of an expanded word go. */
import { isSpace } from "./chars.js";

/** Takes the pieces of a result. */
export interface Sink {
  /** Text at which words may be split. */
  open(text: string): void;
  /** Text that was quoted or escaped. */
  closed(text: string): void;
}

/** Keeps everything as one text. */
export class Joined implements Sink {
  readonly #parts: string[] = [];
  open(text: string): void {
    this.#parts.push(text);
  }
  closed(text: string): void {
    this.#parts.push(text);
  }
  text(): string {
    return this.#parts.join("");
  }
}

/** Splits at white space that is open. */
export class Split implements Sink {
  readonly #words: string[] = [];
  #word = "";
  open(text: string): void {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      if (!isSpace(text.charCodeAt(at))) continue;
      this.#word += text.slice(from, at);
      from = at + 1;
      this.#end();
    }
    this.#word += text.slice(from);
  }
  closed(text: string): void {
    this.#word += text;
  }
  words(): string[] {
    this.#end();
    return this.#words;
  }
  #end(): void {
    // As in BuildKit a word that ends up empty is no word, even if it was quoted.
    if (this.#word !== "") this.#words.push(this.#word);
    this.#word = "";
  }
}
