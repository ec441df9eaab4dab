/** Blanks as Go's `unicode.IsSpace` and BuildKit's token pattern see them; they differ from JavaScript's `\s`. */

/** True for Go's `unicode.IsSpace`: ASCII blanks, U+0085, U+00A0 and Unicode's space separators, but not U+FEFF. */
export function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code === 0x85 || code === 0xa0 || code === 0x1680) return true;
  if (code >= 0x2000 && code <= 0x200a) return true;
  return code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x3000;
}

/** True for `[\t\v\f\r ]`, the blanks at which BuildKit splits an instruction into words. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || (code >= 0x0b && code <= 0x0d);
}

/** A half-open stretch of a joined line. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The span without outer white space (Go's `strings.TrimSpace`). */
export function trimSpan(text: string, start: number, end: number): Span {
  let from = start;
  let to = end;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return { start: from, end: to };
}

/** The text without outer white space (Go's `strings.TrimSpace`). */
export function trimSpace(text: string): string {
  const { start, end } = trimSpan(text, 0, text.length);
  return text.slice(start, end);
}
