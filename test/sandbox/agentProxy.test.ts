import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type AgentProxy, openAgentProxy } from "../../src/sandbox/agentProxy.js";
import { toolMissing } from "../setup/tools.js";

const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tempFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-agent-"));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function proxied(agentSocket: string, at = path.join(tempFolder(), "sock")): Promise<AgentProxy> {
  const ids = { uid: process.getuid!(), gid: process.getgid!() };
  const proxy = await openAgentProxy({ path: at, agentSocket, mode: 0o600, ...ids });
  cleanups.push(() => proxy.close());
  return proxy;
}

/** An agent that answers each message with its own bytes, and how many connections it has had. */
async function echoAgent(at = path.join(tempFolder(), "agent")): Promise<{ path: string; seen: Buffer[] }> {
  const seen: Buffer[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.on("data", (chunk) => {
      seen.push(chunk);
      socket.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(at, resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { path: at, seen };
}

const message = (type: number, body = ""): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + body.length);
  head[4] = type;
  return Buffer.concat([head, Buffer.from(body)]);
};

/** Writes to a socket and reads so many bytes, or all there are. */
function talk(at: string, bytes: Buffer, wanted = Number.POSITIVE_INFINITY): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(at);
    const chunks: Buffer[] = [];
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= wanted) done();
    });
    socket.on("error", reject).on("close", done);
    socket.write(bytes);
  });
}

describe("the socket of a step", () => {
  test("lets requests for keys and signatures through, whole and in order, and refuses all else", async () => {
    const agent = await echoAgent();
    const at = path.join(tempFolder(), "sock");
    await proxied(agent.path, at);
    const [list, sign] = [message(11), message(13, "x".repeat(70_000))];
    const forbidden = [17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 1, 0, 255].map((type) => message(type, "evil"));
    const failures = forbidden.map(() => message(5));
    const expected = Buffer.concat([list, ...failures, sign, list]);
    const answer = await talk(at, Buffer.concat([list, ...forbidden, sign, list]), expected.length);
    expect(answer.equals(expected)).toBe(true);
    expect(Buffer.concat(agent.seen).includes("evil")).toBe(false);
  });

  test("hangs up on what is no message, and on an agent that is not there", async () => {
    const agent = await echoAgent();
    const at = path.join(tempFolder(), "sock");
    await proxied(agent.path, at);
    for (const bad of [Buffer.alloc(4), Buffer.from([0xff, 0xff, 0xff, 0xff, 11]), Buffer.from("GET / HTTP/1.1\r\n")]) {
      expect(await talk(at, bad)).toEqual(Buffer.alloc(0));
    }
    expect(agent.seen).toEqual([]);
    const dead = path.join(tempFolder(), "sock");
    await proxied("/no/such/agent", dead);
    expect(await talk(dead, message(11)).catch(() => Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  });

  test("has the mode that was asked for, works at paths longer than a socket's name may be, and goes in the end", async () => {
    const folder = path.join(tempFolder(), "d".repeat(120), "e".repeat(100));
    fs.mkdirSync(folder, { recursive: true });
    const at = path.join(folder, "sock");
    const agent = await echoAgent();
    const proxy = await proxied(agent.path, at);
    expect(fs.statSync(at).isSocket()).toBe(true);
    expect(fs.statSync(at).mode & 0o777).toBe(0o600);
    const short = path.join(tempFolder(), "short");
    fs.symlinkSync(folder, short);
    expect(await talk(path.join(short, "sock"), message(11), 5)).toEqual(message(11));
    await proxy.close();
    await proxy.close();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  test.skipIf(process.getuid?.() !== 0)("belongs to the user that was asked for", async () => {
    const at = path.join(tempFolder(), "sock");
    const proxy = await openAgentProxy({ path: at, agentSocket: "/none", mode: 0o660, uid: 1234, gid: 4321 });
    expect(fs.statSync(at)).toMatchObject({ uid: 1234, gid: 4321 });
    await proxy.close();
  });

  test("ends connections that are open when it is closed", async () => {
    const agent = await echoAgent();
    const at = path.join(tempFolder(), "sock");
    const proxy = await proxied(agent.path, at);
    const socket = net.connect(at);
    await new Promise((resolve) => socket.once("connect", resolve));
    const closed = new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
    await proxy.close();
    await closed;
    await expect(talk(at, message(11))).rejects.toThrow("ENOENT");
  });

  test("cannot be made where there is no directory: an error that names it", async () => {
    for (const at of ["/no/such/folder/sock", `/no/${"x".repeat(200)}/sock`]) {
      const failing = openAgentProxy({ path: at, agentSocket: "/none", mode: 0o600, uid: 0, gid: 0 });
      await expect(failing).rejects.toMatchObject({ code: "MOUNT", message: expect.stringContaining(at) });
    }
  });
});

describe.skipIf(toolMissing("ssh-agent"))("a real agent behind it", () => {
  test("shows its keys, signs, and keeps them", async () => {
    const folder = tempFolder();
    const real = path.join(folder, "real");
    const agent = spawn("ssh-agent", ["-D", "-a", real], { stdio: ["ignore", "pipe", "ignore"] });
    cleanups.push(() => void agent.kill("SIGKILL"));
    await new Promise((resolve) => agent.stdout.once("data", resolve));
    const ssh = (socket: string, argv: readonly string[]): Promise<{ code: number | null; output: string }> =>
      new Promise((resolve, reject) => {
        const child = spawn(argv[0]!, argv.slice(1), {
          env: { ...process.env, SSH_AUTH_SOCK: socket },
          stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding("utf8").on("data", (text) => (output += text));
        }
        child.on("error", reject).on("close", (code) => resolve({ code, output }));
      });
    const key = path.join(folder, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", key]);
    await ssh(real, ["ssh-add", "-q", key]);
    const at = path.join(folder, "sock");
    await proxied(real, at);
    expect(await ssh(at, ["ssh-add", "-l"])).toMatchObject({ code: 0, output: expect.stringContaining("mine") });
    fs.writeFileSync(path.join(folder, "text"), "x");
    const sign = ["ssh-keygen", "-Y", "sign", "-f", `${key}.pub`, "-n", "file", path.join(folder, "text")];
    fs.renameSync(key, `${key}.away`);
    expect((await ssh(at, sign)).code).toBe(0);
    for (const forbidden of [["-D"], ["-d", `${key}.pub`], ["-x"], [`${key}.away`]]) {
      expect((await ssh(at, ["ssh-add", ...forbidden])).code).not.toBe(0);
    }
    expect(await ssh(real, ["ssh-add", "-l"])).toMatchObject({ code: 0, output: expect.stringContaining("mine") });
  });
});
