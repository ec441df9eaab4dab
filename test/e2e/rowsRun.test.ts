/** What invalidates what, as recorded with Docker. */
import { describe } from "vitest";
import { cannotRun, compareRows } from "./comparing.js";
import { RUN_ROWS } from "./rowsRun.js";

describe.skipIf(cannotRun)("the cache answers as BuildKit's", () => compareRows("run", RUN_ROWS));
