import { closeSync, existsSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { createSink } from "../../src/layer/chunkSink.js";

test.runIf(existsSync("/dev/full")).each([
  ["without threads", 1],
  ["with threads", 1 << 30],
])("a full disk is known as such, %s", async (_, expectedSize) => {
  const fd = openSync("/dev/full", "w");
  const sink = createSink(fd, expectedSize);
  try {
    const writing = async () => {
      sink.acquire();
      sink.submit(4096);
      await sink.finish();
    };
    await expect(writing()).rejects.toMatchObject({ code: "ENOSPC" });
  } finally {
    await sink.abort();
    closeSync(fd);
  }
});
