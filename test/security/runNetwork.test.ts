/** What a step reaches over the network: with `none` nothing, else what nacre itself reaches. */
import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";

describe.skipIf(cannotRun)("a step's network", () => {
  const world = new RunWorld();
  let server: Server;
  let port = 0;
  let asked = 0;
  beforeAll(async () => {
    await world.load();
    server = createServer((socket) => {
      asked += 1;
      socket.on("error", () => {}).end("reached\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    await world.expectSound();
  });

  /** Addresses of this machine, its loopback among them. */
  const addresses = () => [
    "127.0.0.1",
    ...Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
    ),
  ];
  const fetchAll = () =>
    `${addresses()
      .map((address) => `nc -w 3 ${address} ${port} </dev/null 2>/dev/null || echo refused`)
      .join("; ")}; true`;

  describe.each(LEVELS)("%s", (level) => {
    test("is nacre's own by default", async () => {
      const output = await world.run(`FROM box:1\nRUN ${fetchAll()}\n`, { level, args: ["--no-cache"] });
      expect(output[0]).toBe("reached");
      expect(asked).toBeGreaterThan(0);
    });

    test.each([
      ["with RUN --network=none", "--network=none ", []],
      ["with --network=none for the build", "", ["--network=none"]],
      ["with --network=none for the build and default for the step", "--network=default ", ["--network=none"]],
    ] as const)("%s has a loopback of its own, and reaches nothing", async (_, flag, args) => {
      const before = asked;
      const output = await world.run(
        [
          "FROM box:1",
          `RUN ${flag}${fetchAll()}`,
          `RUN ${flag}nc -w 3 169.254.169.254 80 </dev/null 2>/dev/null || echo refused; ls /sys/class/net`,
          `RUN ${flag}(echo pong | nc -l -p 7777 >/dev/null) & for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; nc -w 2 127.0.0.1 7777 </dev/null 2>/dev/null && break; done`,
          `RUN ${flag}unshare -Urn true 2>/dev/null; nsenter -t 1 -n true 2>/dev/null; ip -o link | cut -d: -f2`,
          "",
        ].join("\n"),
        { level, args: ["--no-cache", ...args] },
      );
      expect(output.slice(0, addresses().length)).toEqual(addresses().map(() => "refused"));
      expect(output.slice(addresses().length)).toEqual(["refused", "lo", "pong", " lo"]);
      expect(asked).toBe(before);
    });
  });

  test("that is none knows no name server on the machine's loopback", async () => {
    const output = await world.run("FROM box:1\nRUN --network=none cat /etc/resolv.conf\n", { args: ["--no-cache"] });
    expect(output.filter((line) => /nameserver\s+(127\.|::1)/.test(line))).toEqual([]);
  });

  test("gives a step no sockets of the machine to speak to", async () => {
    const output = await world.run(
      "FROM box:1\nRUN --network=none cat /proc/net/unix | grep -c @; find / -xdev -type s | head; ls /run /var/run 2>/dev/null; true\n",
      { args: ["--no-cache"] },
    );
    expect(output).toEqual(["0"]);
  });
});
