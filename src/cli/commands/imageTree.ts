/** `nacre image ls --tree`: images with their platforms below them. */
import type { ImageListing, ListedImage, ListedName } from "../../index.js";
import { shortDigest } from "../../oci/digest.js";
import { renderTable } from "../table.js";
import { sizeOf } from "./imageTime.js";

/** The lines of the tree. @param size header of the column of sizes */
export function imageTree(listing: ImageListing, size: string, whole: boolean): string[] {
  const rows = listing.images.flatMap((image) => [
    ...image.names.map((name, at) => imageRow(name, image, at === 0, whole)),
    ...platformRows(image, whole),
  ]);
  return renderTable(["IMAGE", "ID", "PLATFORM", size], rows);
}

/** Further names of an image stand below the first one. */
function imageRow(
  { repository = "<none>", tag }: ListedName,
  image: ListedImage,
  isFirst: boolean,
  whole: boolean,
): string[] {
  const name = tag === undefined ? repository : `${repository}:${tag}`;
  const id = image.id === undefined ? "<damaged>" : whole ? image.id : shortDigest(image.id);
  if (!isFirst) return [name, id, "", ""];
  return [name, id, image.platforms === undefined ? (image.platform ?? "") : "", sizeOf(image.size)];
}

function platformRows({ platforms = [] }: ListedImage, whole: boolean): string[][] {
  return platforms.map(({ platform, id, size }, at) => {
    const branch = at === platforms.length - 1 ? "└─" : "├─";
    const shown = id === undefined ? "not in the store" : whole ? id : shortDigest(id);
    return [`${branch} ${platform}`, shown, platform, id === undefined ? "" : sizeOf(size)];
  });
}
