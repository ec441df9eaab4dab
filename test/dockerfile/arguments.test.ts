import { describe, expect, test } from "vitest";
import { parseDuration } from "../../src/dockerfile/duration.js";
import { hasHostPart, parsePorts } from "../../src/dockerfile/ports.js";
import { checkSignal } from "../../src/dockerfile/signals.js";

describe("parsePorts()", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["80", ["80/tcp"]],
    ["80/UDP", ["80/udp"]],
    ["80/", ["80/tcp"]],
    ["0/sctp", ["0/sctp"]],
    ["65535", ["65535/tcp"]],
    ["8000-8002/udp", ["8000/udp", "8001/udp", "8002/udp"]],
    ["0080", ["80/tcp"]],
    ["8080:80", ["80/tcp"]],
    ["8080-8081:80-81", ["80/tcp", "81/tcp"]],
    ["8080-8090:80", ["80/tcp"]],
    ["127.0.0.1:8080:80", ["80/tcp"]],
    ["127.0.0.1::80", ["80/tcp"]],
    ["[::1]:80:81/TCP", ["81/tcp"]],
    ["::1:80:81", ["81/tcp"]],
  ];
  for (const [word, ports] of cases) {
    test(`reads ${word}`, () => {
      expect(parsePorts(word)).toEqual(ports);
    });
  }

  const errors: readonly (readonly [string, string])[] = [
    ["", 'invalid port: "": no port specified'],
    ["/tcp", 'invalid port: "/tcp": no port specified'],
    ["80/foo", 'invalid port: "80/foo": invalid proto: foo'],
    ["80/tcp/udp", 'invalid port: "80/tcp/udp": invalid proto: tcp/udp'],
    ["x", "invalid containerPort: x"],
    ["70000", "invalid containerPort: 70000"],
    ["8-5", "invalid containerPort: 8-5"],
    ["1-2-3", "invalid containerPort: 1-2-3"],
    ["-1", "invalid containerPort: -1"],
    ["80 81", "invalid containerPort: 80 81"],
    ["1.2.3:80:80", "invalid IP address: 1.2.3"],
    ["1.2.3.04:80:80", "invalid IP address: 1.2.3.04"],
    ["[fe80::1%eth0]:80:80", "invalid IP address: fe80::1%eth0"],
    ["1.2.3.4:x:80", "invalid hostPort: x"],
    ["99999:80", "invalid hostPort: 99999"],
    ["80-81:90-95", "invalid ranges specified for container and host Ports: 90-95 and 80-81"],
  ];
  for (const [word, message] of errors) {
    test(`refuses ${JSON.stringify(word)}`, () => {
      expect(() => parsePorts(word)).toThrow(expect.objectContaining({ message, hint: expect.any(String) }));
    });
  }

  test("hasHostPart() tells what EXPOSE ignores", () => {
    expect(["80/tcp", "8000-8001", "8080:80", "127.0.0.1::80"].map(hasHostPart)).toEqual([false, false, true, true]);
  });
});

describe("checkSignal()", () => {
  test("accepts names with and without SIG, in any case, and positive numbers", () => {
    for (const text of ["SIGTERM", "term", "sigkill", "RTMIN+3", "SIGRTMAX-14", "9", "999", "SIGWINCH"]) {
      expect(() => checkSignal(text)).not.toThrow();
    }
  });

  test("refuses anything else, with the nearest name", () => {
    for (const [text, message] of [
      ["FOO", "invalid signal: FOO"],
      ["0", "invalid signal: 0"],
      ["-1", "invalid signal: -1"],
      ["", "invalid signal: "],
      ["SIGTREM", "invalid signal: SIGTREM (did you mean SIGTERM?)"],
      ["SIGRTMIN+16", "invalid signal: SIGRTMIN+16 (did you mean SIGRTMIN+1?)"],
      ["a b", "invalid signal: a b"],
    ] as const) {
      expect(() => checkSignal(text)).toThrow(expect.objectContaining({ message: message }));
    }
  });
});

describe("parseDuration()", () => {
  test("reads what Go reads", () => {
    const hour = 3_600_000_000_000;
    for (const [text, expected] of [
      ["0", 0],
      ["+0", 0],
      ["1ns", 1],
      ["1us", 1000],
      ["1µs", 1000],
      ["1μs", 1000],
      ["1.5h", 1.5 * hour],
      ["1h30m1.5s", 1.5 * hour + 1_500_000_000],
      [".5s", 500_000_000],
      ["5.s", 5_000_000_000],
      ["-2m", -120_000_000_000],
      ["1s1s", 2_000_000_000],
      ["2540400h", 2_540_400 * hour],
    ] as const) {
      expect(parseDuration(text), text).toBe(expected);
    }
  });

  test("refuses the rest in Go's words", () => {
    for (const [text, message] of [
      ["", 'time: invalid duration ""'],
      ["-", 'time: invalid duration "-"'],
      ["abc", 'time: invalid duration "abc"'],
      [".s", 'time: invalid duration ".s"'],
      ["1 s", 'time: unknown unit " s" in duration "1 s"'],
      ["5", 'time: missing unit in duration "5"'],
      ["1h5", 'time: missing unit in duration "1h5"'],
      ["5x", 'time: unknown unit "x" in duration "5x"'],
      ["3000000h", 'time: invalid duration "3000000h"'],
      ["1.1.1s", 'time: missing unit in duration "1.1.1s"'],
    ] as const) {
      expect(() => parseDuration(text), text).toThrow(expect.objectContaining({ message }));
    }
    expect(() => parseDuration("9".repeat(100_000))).toThrow("time: invalid duration");
  });
});
