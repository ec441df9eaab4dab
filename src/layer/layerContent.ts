/** Reading contents out of a layer's uncompressed tar. */
import type { ContentReader } from "./fileTree.js";

/** Access to a layer's content. */
export interface LayerContent {
  /** Makes the uncompressed tar readable. */
  prepare(): Promise<void>;
  /** Reads from the uncompressed tar. @returns bytes read, 0 at its end */
  read(target: Buffer, at: number, length: number, position: number): number;
}

/** Reads `size` bytes from a position on. */
export function readRange(content: LayerContent, start: number, size: number): ContentReader {
  let position = start;
  const end = start + size;
  return {
    read: (target, at, length) => {
      const got = content.read(target, at, Math.min(length, end - position), position);
      position += got;
      return got;
    },
    close: () => {},
  };
}

/**
 * Reads a sparse file whole, holes as zeros.
 * @param start where its data stand in the tar
 * @param segments offset in the file and length of each stretch of data, in order
 * @param size bytes of the file, holes included
 */
export function readSparse(
  content: LayerContent,
  start: number,
  segments: readonly (readonly [offset: number, length: number])[],
  size: number,
): ContentReader {
  let position = 0;
  let segment = 0;
  let stored = start;
  return {
    read: (target, at, length) => {
      const wanted = Math.min(length, size - position);
      while (segment < segments.length && position >= segments[segment]![0] + segments[segment]![1]) {
        stored += segments[segment]![1];
        segment++;
      }
      const [offset, bytes] = segments[segment] ?? [size, 0];
      if (position < offset) {
        const hole = Math.min(wanted, offset - position);
        target.fill(0, at, at + hole);
        position += hole;
        return hole;
      }
      const within = position - offset;
      const got = content.read(target, at, Math.min(wanted, bytes - within), stored + within);
      position += got;
      return got;
    },
    close: () => {},
  };
}
