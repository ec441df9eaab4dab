/** A bare walk: every name below a directory is listed and looked at, one after the other, and nothing else is done. */
const fs = require("node:fs");

let count = 0;

function walk(/** @type {string} */ directory) {
  for (const name of fs.readdirSync(directory)) {
    const path = `${directory}/${name}`;
    const stat = fs.lstatSync(path);
    count++;
    if (stat.isDirectory()) walk(path);
  }
}

walk(process.argv[2] ?? ".");
console.log(count);
