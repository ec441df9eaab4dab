/**
 * Builds examples/hello from TypeScript, follows its events, and looks at what came out.
 *
 *     node examples/library/build.ts        (Node 22.18 or newer, which runs TypeScript by itself)
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, inspectImage, isNacreError, type NacreEvent, Store } from "nacre";

/** Every event is typed: `type` tells which members there are. */
function report(event: NacreEvent): void {
  switch (event.type) {
    case "start":
      console.log(`→ ${event.name}`);
      break;
    case "end":
      console.log(`  ${event.outcome}`);
      break;
    case "warning":
      console.log(`! ${event.rule}: ${event.message}`);
      break;
  }
}

// A store of its own, so that the example leaves yours alone.
const directory = mkdtempSync(join(tmpdir(), "nacre-example-"));
const store = join(directory, "store");

try {
  const result = await build({
    context: fileURLToPath(new URL("../hello", import.meta.url)),
    tags: ["hello:1"],
    store,
    outputs: [
      {
        type: "oci",
        destination: { kind: "path", path: join(directory, "hello.tar") },
        tar: true,
        compression: { type: "gzip", force: false },
        rewriteTimestamp: false,
        annotations: new Map(),
      },
    ],
    emit: report,
    signal: AbortSignal.timeout(60_000),
  });
  const cached = result.steps.filter((step) => step.outcome === "cached").length;
  console.log(`wrote ${join(directory, "hello.tar")}`);
  console.log(`${result.digest}: ${cached} of ${result.steps.length} steps were cached`);

  const opened = await Store.open(store, { readOnly: true });
  try {
    const image = await inspectImage("hello:1", { store: opened, env: process.env });
    for (const layer of image.Layers) console.log(`${layer.Files} files by ${layer.CreatedBy}`);
  } finally {
    await opened.close();
  }
} catch (error) {
  if (!isNacreError(error)) throw error;
  // Expected failures are data: a stable code, a message, what to do, and where in the Dockerfile.
  console.error(`${error.code}: ${error.message}`, error.hint ?? "", error.place?.range.start ?? "");
  process.exitCode = 1;
}
