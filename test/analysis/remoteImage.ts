/** Images in registries, opened as a user names them. */
import { type ImageWorld, type OpenedImage, type OpenOptions, openImage } from "../../src/analysis/analysis.js";

/** Opens the image, does something with it, tells the warnings. */
export async function withRemote<T>(
  host: string,
  work: (image: OpenedImage) => Promise<T>,
  options: OpenOptions = {},
  more: Partial<ImageWorld> = {},
): Promise<{ result: T; warnings: string[] }> {
  const warnings: string[] = [];
  const emit: ImageWorld["emit"] = (event) => event.type === "warning" && void warnings.push(event.message);
  const image = await openImage(`docker://${host}/app:1`, { env: {}, emit, ...more }, options);
  try {
    return { result: await work(image), warnings };
  } finally {
    await image.close();
  }
}
