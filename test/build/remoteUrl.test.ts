import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { outcomes, Project } from "./helpers.js";

/** Answers every address with its own path; where the query says so, it is dated. */
async function serve(): Promise<string> {
  const server = createServer(({ url = "" }, response) => {
    const dated = url.endsWith("?dated") ? { "last-modified": "Tue, 03 Jan 2023 04:05:06 GMT" } : {};
    response.writeHead(200, dated).end(url.replace(/\?.*/, ""));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a download is another step where its content, name, mode or owner is another, but not where its time is", async () => {
  const origin = await serve();
  const project = new Project();
  const add = async (what: string) => outcomes(await project.build(`FROM scratch\nADD ${what}\n`))[0];
  expect(await add(`${origin}/f?1 /d/`)).toContain("done");
  expect(await add(`${origin}/f?2 /d/`)).toContain("cached");
  expect(await add(`${origin}/f?2 /e/`)).toContain("done");
  expect(await add(`--chown=1 ${origin}/f?2 /e/`)).toContain("done");
  expect(await add(`--chmod=644 ${origin}/f?2 /e/`)).toContain("done");
  expect(await add(`${origin}/x/f /d/`)).toContain("done");
  expect(await add(`${origin}/f?dated /d/`)).toContain("cached");
});
