/** What invalidates what, as recorded with Docker. */
import { describe } from "vitest";
import { cannotRun, compareRows } from "./comparing.js";
import { FILE_ROWS } from "./rowsFiles.js";

describe.skipIf(cannotRun)("the cache answers as BuildKit's", () => compareRows("files", FILE_ROWS));
