import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseSsh, type SshAgents } from "../../src/build/sshAgents.js";
import { toolMissing } from "../setup/tools.js";
import { scratch } from "./helpers.js";

let folder = "";
const opened: SshAgents[] = [];
const servers: net.Server[] = [];

beforeEach(() => {
  folder = scratch();
});

afterEach(async () => {
  for (const agents of opened.splice(0)) await agents.close();
  for (const server of servers.splice(0)) server.close();
});

function agentsOf(texts: readonly string[], env: Record<string, string | undefined> = {}): SshAgents {
  const agents = parseSsh(texts, { PATH: process.env.PATH, HOME: folder, ...env });
  opened.push(agents);
  return agents;
}

/** A socket that someone listens at. */
async function socket(name = "sock"): Promise<string> {
  const at = join(folder, name);
  const server = net.createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return at;
}

describe("--ssh is read as buildx reads it", () => {
  test("an id stands for the agent of the environment, or for the socket that is named", async () => {
    const [own, other] = [await socket("own"), await socket("other")];
    const agents = agentsOf(["default", `a=${other}`, "b=", "", "c"], { SSH_AUTH_SOCK: own });
    expect(await Promise.all(["default", "a", "b", "c", "d"].map((id) => agents.socketOf(id)))).toEqual([
      ...[own, other, own, own],
      undefined,
    ]);
    expect(agents.ids).toEqual(["default", "a", "b", "c"]);
    expect(await agentsOf([`=${other}`]).socketOf("default")).toBe(other);
  });

  test("what does not fit together, or is not there, is refused with a hint", async () => {
    const at = await socket();
    const key = join(folder, "key");
    writeFileSync(key, "x");
    const refused: [string[], string, string][] = [
      [["default"], "MOUNT", "make sure SSH_AUTH_SOCK is set"],
      [["a=/no/such"], "MOUNT", "/no/such"],
      [[`a=${folder}`], "MOUNT", "is a directory"],
      [[`a=${key},`], "MOUNT", '""'],
      [[`a=${at},${at}`], "USAGE", "only single socket allowed"],
      [[`a=${key},${at}`], "USAGE", "invalid combination of keys and sockets"],
      [[`a=${at}`, `a=${at}`], "USAGE", 'duplicate agent ID "a"'],
    ];
    for (const [texts, code, message] of refused) {
      expect(() => parseSsh(texts, {})).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(message), hint: expect.any(String) }),
      );
    }
    expect(() => parseSsh(["default"], { SSH_AUTH_SOCK: "/no/such" })).toThrow("/no/such");
  });
});

describe.skipIf(toolMissing("ssh-agent"))("private keys", () => {
  function makeKey(name: string, ...options: string[]): string {
    const at = join(folder, name);
    execFileSync("ssh-keygen", ["-q", "-C", name, "-f", at, ...options]);
    return at;
  }

  /** What `ssh-add -l` says, without stopping this process. */
  function listed(at: string): Promise<string> {
    const child = spawn("ssh-add", ["-l"], {
      env: { ...process.env, SSH_AUTH_SOCK: at },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    return new Promise((resolve) => child.on("close", () => resolve(output)));
  }

  /** The process that serves a socket, by its command line. */
  function agentProcess(at: string): string {
    return execFileSync("sh", ["-c", 'pgrep -f -- "-D -a $1" || true', "sh", at]).toString();
  }

  test("get an agent of their own when it is first asked for, which ends with the build", async () => {
    const ed = makeKey("ed", "-t", "ed25519", "-N", "");
    const rsa = makeKey("rsa", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "");
    chmodSync(ed, 0o644);
    const agents = agentsOf([`a=${ed},${rsa}`, `b=${rsa}`]);
    const [first, again] = await Promise.all([agents.socketOf("a"), agents.socketOf("a")]);
    expect(again).toBe(first);
    expect(await listed(first!)).toMatch(/ED25519[\s\S]*RSA/);
    expect(agentProcess(first!)).not.toBe("");
    await agents.close();
    await agents.close();
    expect(agentProcess(first!)).toBe("");
    expect(existsSync(dirname(first!))).toBe(false);
    await expect(agents.socketOf("b")).rejects.toThrow("have ended");
  });

  test("may have the line ends of Windows, or lack the last one", async () => {
    const key = makeKey("key", "-t", "ed25519", "-N", "");
    const text = readFileSync(key, "utf8");
    for (const form of [text.replaceAll("\n", "\r\n"), text.trimEnd()]) {
      writeFileSync(key, form);
      const agents = agentsOf([`a=${key}`]);
      expect(await listed((await agents.socketOf("a"))!)).toContain("ED25519");
    }
  });

  test("with a passphrase, or that are none, are refused, and leave no agent", async () => {
    const locked = makeKey("locked", "-t", "ed25519", "-N", "secret words");
    const text = join(folder, "text");
    writeFileSync(text, "hello");
    const broken = join(folder, "broken");
    writeFileSync(broken, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    const refused: [string, string][] = [
      [locked, "passphrase protected"],
      [text, "no key found"],
      [`${locked}.pub`, "no key found"],
      [broken, "does not take it"],
    ];
    for (const [key, message] of refused) {
      await expect(agentsOf([`a=${key}`]).socketOf("a")).rejects.toMatchObject({
        ...{ code: "MOUNT", message: expect.stringContaining(message), hint: expect.any(String) },
      });
    }
    expect(agentProcess("/tmp/nacre-ssh-")).toBe("");
  });

  test("need ssh-agent, and say so", async () => {
    const key = makeKey("key", "-t", "ed25519", "-N", "");
    const agents = agentsOf([`a=${key}`], { PATH: "/no/such/folder" });
    await expect(agents.socketOf("a")).rejects.toMatchObject({ code: "TOOL_MISSING" });
  });
});
