/** Which secrets and agents a git source gets. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { world } from "../context/gitWorld.js";
import { toolMissing } from "../setup/tools.js";
import { Project, put, scratch } from "./helpers.js";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

describe.skipIf(toolMissing("git"))("a git repository that asks who is there", () => {
  test.each([
    ["GIT_AUTH_TOKEN", "t0ken", basic("x-access-token:t0ken")],
    ["GIT_AUTH_TOKEN.127.0.0.1", "t0ken", basic("x-access-token:t0ken")],
    ["GIT_AUTH_HEADER", "Bearer abc", "Bearer abc"],
    ["GIT_AUTH_HEADER.127.0.0.1", "Bearer abc", "Bearer abc"],
  ])("gets the secret %s", async (id, value, authorization) => {
    const { origin } = await world({ authorization });
    const file = join(scratch(), "secret");
    writeFileSync(file, value);
    const project = new Project();
    const text = `FROM scratch\nADD ${origin}/repo.git /d/\n`;
    await expect(project.build(text)).rejects.toMatchObject({ code: "NETWORK" });
    const result = await project.build(text, { secrets: [`id=${id},src=${file}`] });
    expect(await project.files(result)).toContain("d/a.txt file 644 b");
    expect(JSON.stringify(project.events)).not.toMatch(/t0ken|Bearer abc/);
  });

  test("is reached over ssh with the agent `default`", async () => {
    const { root } = await world();
    const dir = scratch();
    const socket = join(dir, "agent");
    const server = createServer().listen(socket);
    onTestFinished(() => void server.close());
    // Stands for ssh: notes the agent, and executes on this machine what the other one would.
    put(dir, { ssh: '#!/bin/sh\necho "$SSH_AUTH_SOCK" > "${0%/*}/asked"\nfor last; do :; done\nexec sh -c "$last"\n' });
    chmodSync(join(dir, "ssh"), 0o755);
    const path = process.env.PATH;
    process.env.PATH = `${dir}:${path}`;
    onTestFinished(() => void (process.env.PATH = path));
    const project = new Project();
    const text = `FROM scratch\nADD ssh://git@host.example${root}/repo /d/\n`;
    const result = await project.build(text, { ssh: [`default=${socket}`] });
    expect(await project.files(result)).toContain("d/a.txt file 644 b");
    expect(readFileSync(join(dir, "asked"), "utf8").trim()).toBe(socket);
  });
});
