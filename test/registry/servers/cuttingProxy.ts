/** A TCP proxy on loopback that cuts, delays, repeats and changes bytes at given positions, or at random ones. */
import * as net from "node:net";
import { whenDone } from "./cleanup.js";

/** What happens at a position of one direction of a connection. */
export interface ProxyEvent {
  /** `up`: from the client to the target. */
  readonly direction: "up" | "down";
  /** After so many bytes of that direction have passed. */
  readonly at: number;
  /**
   * `cut` ends the connection as if its other side had closed it, `reset` with RST; `delay` holds the direction back for
   * `milliseconds`; `duplicate` sends the last `bytes` once more; `flip` changes one bit of the next byte; `stall` holds it for ever.
   */
  readonly does: "cut" | "reset" | "delay" | "duplicate" | "flip" | "stall";
  readonly milliseconds?: number;
  readonly bytes?: number;
}

/** What happens to each connection. @param nth counted from 0 */
export type ProxyPlan = (nth: number) => readonly ProxyEvent[];

/** Bytes that were passed on. */
export interface Passed {
  readonly up: number;
  readonly down: number;
}

/** A proxy that runs. */
export interface CuttingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** Events that happened so far, in order, each with the bytes that had been passed on by then, over all connections. */
  readonly happened: readonly (ProxyEvent & { readonly connection: number; readonly passed: Passed })[];
  readonly passed: Passed;
  readonly connections: number;
  /** Another plan for connections from now on, which are counted from 0 again. */
  setPlan(plan: ProxyPlan): void;
  stop(): Promise<void>;
}

/** Nothing happens. */
export const HARMLESS: ProxyPlan = () => [];

/** Most bytes that `duplicate` can repeat. */
const MAX_DUPLICATE = 64 << 10;

/** Starts a proxy that ends with the test file at the latest. @param target `HOST:PORT`, or an http URL */
export async function cuttingProxy(target: string, plan: ProxyPlan = HARMLESS): Promise<CuttingProxy> {
  const to = new URL(target.includes("://") ? target : `http://${target}`);
  const happened: CuttingProxy["happened"][number][] = [];
  const passed = { up: 0, down: 0 };
  const sockets = new Set<net.Socket>();
  let current = plan;
  let planned = 0;
  let connections = 0;
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const connection = connections++;
    const upstream = net.connect({ host: to.hostname, port: Number(to.port), allowHalfOpen: true, noDelay: true });
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket.on("error", () => {
        for (const each of both) each.destroy();
      });
      socket.on("close", () => sockets.delete(socket));
    }
    const events = current(planned++);
    const watch = (event: ProxyEvent): void => void happened.push({ ...event, connection, passed: { ...passed } });
    const end = (how: ProxyEvent["does"]): void => {
      for (const socket of both) how === "reset" ? socket.resetAndDestroy() : socket.destroy();
    };
    const way = (direction: "up" | "down"): Way => ({
      events: events.filter((event) => event.direction === direction).sort((a, b) => a.at - b.at),
      ...{ watch, end },
      count: (bytes) => {
        passed[direction] += bytes;
      },
    });
    void pass(client, upstream, way("up"));
    void pass(upstream, client, way("down"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  const stop = whenDone(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    ...{ host, url: `http://${host}`, happened, passed, stop },
    get connections() {
      return connections;
    },
    setPlan: (next) => {
      current = next;
      planned = 0;
    },
  };
}

interface Way {
  /** By position. */
  readonly events: readonly ProxyEvent[];
  watch(event: ProxyEvent): void;
  end(how: ProxyEvent["does"]): void;
  count(bytes: number): void;
}

/** Passes bytes on from one socket to the other, with what happens on the way. */
async function pass(from: net.Socket, to: net.Socket, way: Way): Promise<void> {
  let at = 0;
  let next = 0;
  const repeats = way.events.some(({ does }) => does === "duplicate");
  let recent: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of from) {
      let rest = chunk as Buffer;
      while (rest.length > 0) {
        const event = way.events[next];
        const until = event === undefined ? rest.length : Math.min(rest.length, Math.max(0, event.at - at));
        const part = rest.subarray(0, until);
        rest = rest.subarray(until);
        at += until;
        if (repeats) recent = Buffer.concat([recent, part.subarray(-MAX_DUPLICATE)]).subarray(-MAX_DUPLICATE);
        await write(to, part, way);
        if (event === undefined || at < event.at) continue;
        next++;
        way.watch(event);
        if (event.does === "cut" || event.does === "reset") return way.end(event.does);
        if (event.does === "stall") return;
        if (event.does === "delay") await new Promise((resolve) => setTimeout(resolve, event.milliseconds ?? 1));
        if (event.does === "duplicate") await write(to, recent.subarray(-(event.bytes ?? 1)), way);
        if (event.does === "flip" && rest.length > 0) {
          rest = Buffer.from(rest);
          rest[0] = rest[0]! ^ 1;
        }
      }
    }
    to.end();
  } catch {
    // One of them is gone: so is the other.
    for (const socket of [from, to]) socket.destroy();
  }
}

function write(to: net.Socket, bytes: Buffer, way: Way): Promise<void> {
  if (bytes.length === 0) return Promise.resolve();
  way.count(bytes.length);
  return new Promise((resolve, reject) => to.write(bytes, (error) => (error ? reject(error) : resolve())));
}

/** What a random plan may hold. */
export interface Mischief {
  /** Chance that something happens to a connection, 0 to 1. Default 0.5. */
  readonly chance?: number;
  /** Positions are below this; half of them in the first kilobytes, where heads of requests and answers are. */
  readonly within: number;
  readonly does?: readonly ProxyEvent["does"][];
  /** Longest delay. Default 20. */
  readonly milliseconds?: number;
}

/** A plan that is different for each connection, and the same for the same seed. */
export function randomPlan(seed: number, mischief: Mischief): ProxyPlan {
  const { chance = 0.5, within, does = ["cut", "reset", "delay", "duplicate"], milliseconds = 20 } = mischief;
  return (nth) => {
    const random = randomOf(seed * 100_003 + nth);
    if (random() >= chance) return [];
    const count = 1 + Math.floor(random() * 2);
    return Array.from({ length: count }, (): ProxyEvent => {
      const range = random() < 0.5 ? Math.min(within, 4096) : within;
      return {
        direction: random() < 0.5 ? "up" : "down",
        at: Math.floor(random() * range),
        does: does[Math.floor(random() * does.length)]!,
        milliseconds: 1 + Math.floor(random() * milliseconds),
        bytes: 1 + Math.floor(random() * 2000),
      };
    });
  };
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
