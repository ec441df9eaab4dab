/** What invalidates what, as recorded with Docker. */
import { describe } from "vitest";
import { cannotRun, compareRows } from "./comparing.js";
import { INPUT_ROWS } from "./rowsInputs.js";

describe.skipIf(cannotRun)("the cache answers as BuildKit's", () => compareRows("inputs", INPUT_ROWS, true));
