/** Members of hostile layers, made by hand: no honest tool writes them. */
import { END, file, header } from "../tar/craft.js";

export { file, header };

export const dir = (name: string): Buffer => header({ name, flag: "5", mode: 0o755 });
export const symlink = (name: string, link: string): Buffer => header({ name, flag: "2", link, mode: 0o777 });
export const hardlink = (name: string, link: string): Buffer => header({ name, flag: "1", link });

/** Empty files of these names, up to 99 bytes long; made quickly, for very many of them. */
export function emptyFiles(names: readonly string[]): Buffer {
  const model = header({ name: "" });
  const bytes = Buffer.alloc(names.length * 512);
  const sum = Number.parseInt(model.toString("latin1", 148, 154), 8);
  names.forEach((name, i) => {
    model.copy(bytes, i * 512);
    bytes.write(name, i * 512, "latin1");
    let total = sum;
    for (let at = 0; at < name.length; at++) total += name.charCodeAt(at);
    bytes.write(total.toString(8).padStart(6, "0"), i * 512 + 148, "latin1");
  });
  return bytes;
}

/** A layer of these members. */
export const layer = (...members: readonly Buffer[]): Buffer => Buffer.concat([...members, END]);
