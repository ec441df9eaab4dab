/** A process that downloads the same address again and again, and says each digest. Arguments: store, address. */
import * as fs from "node:fs";
import { download } from "../../src/context/download.js";
import { Store } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";

const [location = "", url = ""] = process.argv.slice(2);
const store = await Store.open(location);
for (;;) {
  const found = await download(store, { url, env: {} });
  const actual = sha256Hex(fs.readFileSync(found.path));
  fs.writeSync(1, `${found.digest === `sha256:${actual}` ? "whole" : "WRONG"}\n`);
  await found.release();
}
