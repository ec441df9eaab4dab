/** Documents that two readers could understand in two ways. Pure. */

interface Level {
  readonly keys: Set<string> | undefined;
  isKeyNext: boolean;
}

/**
 * A key that stands twice in an object of a JSON text, or undefined. Readers differ in which of the two they take, and Go's
 * takes keys in any case at the top of a document too.
 * @param text valid JSON
 */
export function duplicateKey(text: string): string | undefined {
  const levels: Level[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs)) {
    const level = levels.at(-1);
    if (token === "{") levels.push({ keys: new Set(), isKeyNext: true });
    else if (token === "[") levels.push({ keys: undefined, isKeyNext: false });
    else if (token === "}" || token === "]") levels.pop();
    else if (token === ",") level!.isKeyNext = level!.keys !== undefined;
    else if (token !== ":" && level?.isKeyNext) {
      const key = JSON.parse(token) as string;
      const spelled = levels.length === 1 ? key.toLowerCase() : key;
      if (level.keys!.has(spelled)) return key;
      level.keys!.add(spelled);
      level.isKeyNext = false;
    }
  }
  return undefined;
}
