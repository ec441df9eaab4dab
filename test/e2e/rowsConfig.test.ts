/** What invalidates what, as recorded with Docker. */
import { describe } from "vitest";
import { cannotRun, compareRows } from "./comparing.js";
import { CONFIG_ROWS } from "./rowsConfig.js";

describe.skipIf(cannotRun)("the cache answers as BuildKit's", () => compareRows("config", CONFIG_ROWS));
