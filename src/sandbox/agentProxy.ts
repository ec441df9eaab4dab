/**
 * A socket that leads to the user's ssh agent, for one step. What goes through is looked at: a step may list keys and
 * have data signed, nothing else (BuildKit's rule), so that no RUN can add or remove keys of the agent, or lock it.
 * Protocol: draft-miller-ssh-agent, section 3: length (4 bytes, big-endian), type, content; one answer to each request.
 */
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { ioError } from "../support/errors.js";

/** Longest path of a socket, in bytes (sun_path is 108 with its NUL). */
const MAX_SOCKET_PATH = 107;
/** Most bytes of one message: OpenSSH's AGENT_MAX_LEN. */
const MAX_MESSAGE = 256 * 1024;
/** SSH_AGENTC_REQUEST_IDENTITIES and SSH_AGENTC_SIGN_REQUEST. */
const ALLOWED: ReadonlySet<number> = new Set([11, 13]);
/** Connections at once: what a RUN may cost this process. */
const MAX_CONNECTIONS = 64;
/** SSH_AGENT_FAILURE as a message. */
const FAILURE = Buffer.from([0, 0, 0, 1, 5]);

/** Where to listen, and for whom. */
export interface AgentProxyOptions {
  /** Of the socket to make; its directory exists. Any length. */
  readonly path: string;
  /** Of the agent. */
  readonly agentSocket: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A socket that is served. */
export interface AgentProxy {
  /** Ends all connections and removes the socket. Never throws. */
  close(): Promise<void>;
}

/**
 * Makes a socket and serves it until it is closed. An agent that does not answer shows as a connection that ends.
 * @throws NacreError MOUNT if the socket cannot be made, or given to its owner
 */
export async function openAgentProxy(options: AgentProxyOptions): Promise<AgentProxy> {
  const connections = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (client) => serve(client, options.agentSocket, connections));
  server.maxConnections = MAX_CONNECTIONS;
  const place = openPlace(options.path);
  const close = async (): Promise<void> => {
    for (const socket of connections) socket.destroy();
    // Removes the socket too, by the path that it was made with.
    await new Promise<void>((resolve) => server.close(() => resolve()));
    place.close();
  };
  try {
    await listen(server, place.path);
    // The directory is nacre's own until the step starts, so that nobody connects before.
    fs.chownSync(place.path, options.uid, options.gid);
    fs.chmodSync(place.path, options.mode);
  } catch (error) {
    await close();
    throw ioError("MOUNT", `making the ssh agent's socket ${options.path}`, error);
  }
  server.unref();
  return { close };
}

function listen(server: net.Server, at: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve();
    });
  });
}

function openPlace(full: string): SocketPlace {
  try {
    return shortPath(full);
  } catch (error) {
    throw ioError("MOUNT", `making the ssh agent's socket ${full}`, error);
  }
}

/** A path of a socket that fits, as long as it is open. */
interface SocketPlace {
  readonly path: string;
  readonly close: () => void;
}

/** A path that is too long is named through its opened directory. */
function shortPath(full: string): SocketPlace {
  if (Buffer.byteLength(full) <= MAX_SOCKET_PATH) return { path: full, close: () => {} };
  let fd: number | undefined = fs.openSync(path.dirname(full), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const close = (): void => {
    if (fd !== undefined) fs.closeSync(fd);
    fd = undefined;
  };
  return { path: `/proc/self/fd/${fd}/${path.basename(full)}`, close };
}

/** One connection of the step, and one of its own to the agent. */
function serve(client: net.Socket, agentSocket: string, connections: Set<net.Socket>): void {
  let agent: net.Socket;
  try {
    agent = connect(agentSocket);
  } catch {
    client.destroy();
    return;
  }
  for (const [socket, other] of [
    [client, agent],
    [agent, client],
  ] as const) {
    connections.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      connections.delete(socket);
      other.destroy();
    });
  }
  void exchange(client, agent)
    .catch(() => {})
    .finally(() => {
      agent.destroy();
      client.destroySoon();
    });
}

function connect(agentSocket: string): net.Socket {
  const place = shortPath(agentSocket);
  const socket = net.connect(place.path);
  socket.once("connect", place.close).once("close", place.close);
  return socket;
}

/** Request by request: the protocol has no numbers that would tell which answer belongs to which. */
async function exchange(client: net.Socket, agent: net.Socket): Promise<void> {
  const requests = messages(client);
  const answers = messages(agent);
  for await (const request of requests) {
    if (!ALLOWED.has(request[4]!)) {
      await send(client, FAILURE);
      continue;
    }
    await send(agent, request);
    const answer = await answers.next();
    if (answer.done) return;
    await send(client, answer.value);
  }
}

/** Waits where the other side does not read: what it asks for must not pile up here. */
async function send(socket: net.Socket, bytes: Buffer): Promise<void> {
  if (!socket.write(bytes)) await once(socket, "drain");
}

/** The messages of a stream, each with its length in front. Ends with the stream, and where one is malformed or too long. */
async function* messages(socket: net.Socket): AsyncGenerator<Buffer, undefined> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length === 0 || length > MAX_MESSAGE) return;
      if (pending.length < 4 + length) break;
      yield pending.subarray(0, 4 + length);
      pending = pending.subarray(4 + length);
    }
  }
}
