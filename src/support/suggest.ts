/** "Did you mean": the nearest of some names. */

/** Candidates that are looked at, and the longest word that is looked up: hints shall cost next to nothing. */
const MAX_CANDIDATES = 1000;
const MAX_WORD = 200;

/**
 * The candidate nearest to `word`, if its edit distance is below 3 (BuildKit's limit for hints) and below the word's length.
 * Letter case does not count. The first of equally near candidates wins. Only the first 1,000 candidates are looked at, and
 * words over 200 characters are near to nothing.
 */
export function nearest(word: string, candidates: Iterable<string>, limit = 3): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const wanted = word.toLowerCase();
  let looked = 0;
  let best: string | undefined;
  let bestDistance = Math.min(limit, Math.max(wanted.length, 1));
  for (const candidate of candidates) {
    if (++looked > MAX_CANDIDATES) break;
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Edit distance in which two letters that have changed places count once; gives up at `limit` once it cannot be below it. */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  const shorter = Math.min(a.length, b.length);
  let same = 0;
  while (same < shorter && a[same] === b[same]) same++;
  let ends = 0;
  while (ends < shorter - same && a.at(-1 - ends) === b.at(-1 - ends)) ends++;
  return distanceOf(a.slice(same, a.length - ends), b.slice(same, b.length - ends), limit);
}

function distanceOf(a: string, b: string, limit: number): number {
  if (a === "" || b === "") return Math.min(limit, a.length + b.length);
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) value = Math.min(value, before[j - 2]! + 1);
      next.push(value);
      least = Math.min(least, value);
    }
    if (least >= limit && Math.min(...row) >= limit) return limit;
    before = row;
    row = next;
  }
  return Math.min(limit, row[b.length]!);
}
