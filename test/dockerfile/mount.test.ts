import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkMountSyntax, mountFrom, parseMount } from "../../src/dockerfile/mount.js";
import { isNacreError } from "../../src/support/errors.js";

const owner = { mode: undefined, uid: undefined, gid: undefined };

describe("parseMount()", () => {
  test("reads a bind mount, which is the default type and read-only", () => {
    const bind = { type: "bind", target: "/t", source: "", from: undefined, readOnly: true };
    expect(parseMount("target=/t")).toEqual(bind);
    expect(parseMount("type=bind,src=a,from=build,dst=t,rw")).toEqual({
      type: "bind",
      target: "t",
      source: "a",
      from: "build",
      readOnly: false,
    });
    expect(parseMount("TYPE=Bind,destination=/t,readonly=false")).toEqual({ ...bind, readOnly: false });
    // Without a target the working directory is meant; BuildKit looks only when it runs the step.
    expect(parseMount("source=x")).toMatchObject({ target: "" });
  });

  test("reads a cache mount, whose id is the cleaned target as typed", () => {
    const cache = { type: "cache", ...owner, sharing: "shared", source: "", from: undefined, readOnly: false };
    expect(parseMount("type=cache,target=/a//b/../c/")).toEqual({ ...cache, target: "/a//b/../c/", id: "/a/c" });
    expect(parseMount("type=cache,target=../x/.")).toEqual({ ...cache, target: "../x/.", id: "../x" });
    expect(parseMount("type=cache,id=i,target=/c,sharing=Locked,mode=0700,uid=1,gid=2,ro,from=b,source=/s")).toEqual({
      ...{ type: "cache", target: "/c", id: "i", sharing: "locked", mode: 0o700, uid: 1, gid: 2 },
      ...{ readOnly: true, from: "b", source: "/s" },
    });
  });

  test("reads tmpfs sizes in powers of 1024", () => {
    const size = (text: string): unknown => parseMount(`type=tmpfs,target=/t,size=${text}`);
    for (const [text, bytes] of [
      ["10", 10],
      ["64m", 2 ** 26],
      ["1.5G", 1.5 * 2 ** 30],
      ["2 KiB", 2048],
      ["3kb", 3072],
    ] as const) {
      expect(size(text)).toEqual({ type: "tmpfs", target: "/t", readOnly: false, size: bytes });
    }
    expect(parseMount("type=tmpfs,target=/t")).toMatchObject({ size: 0 });
  });

  test("reads secrets, whose id, file name and target stand for each other", () => {
    const secret = { type: "secret", ...owner, readOnly: true, required: false, env: undefined };
    expect(parseMount("type=secret,id=key")).toEqual({ ...secret, id: "key", target: "/run/secrets/key" });
    expect(parseMount("type=secret,source=a/key")).toEqual({ ...secret, id: "a/key", target: "/run/secrets/key" });
    expect(parseMount("type=secret,target=/etc/key")).toEqual({ ...secret, id: "key", target: "/etc/key" });
    expect(parseMount("type=secret,id=key,env=KEY,required")).toEqual({
      ...secret,
      id: "key",
      target: "",
      env: "KEY",
      required: true,
    });
    expect(parseMount("type=secret,id=key,env=KEY,target=/k,mode=0440")).toMatchObject({
      env: "KEY",
      target: "/k",
      mode: 0o440,
    });
  });

  test("reads ssh mounts", () => {
    expect(parseMount("type=ssh")).toEqual({
      type: "ssh",
      ...owner,
      id: "default",
      target: "",
      readOnly: true,
      required: false,
    });
    expect(parseMount("type=ssh,id=k,target=/s,required=1,uid=5")).toMatchObject({
      id: "k",
      target: "/s",
      required: true,
      uid: 5,
    });
  });

  test("takes fields with commas if the whole field is quoted", () => {
    expect(parseMount('type=bind,"source=a,""b""",target=/t')).toMatchObject({ source: 'a,"b"' });
  });

  test("lets the last of two values win", () => {
    expect(parseMount("type=cache,target=/a,target=/b,ro,rw")).toMatchObject({ target: "/b", readOnly: false });
  });

  test("expands every value but from", () => {
    const seen: string[] = [];
    const expand = (value: string): string => {
      seen.push(value);
      return value.replace("$X", "/x");
    };
    expect(parseMount("type=bind,from=b,source=$X,target=t$X,ro", expand)).toMatchObject({
      source: "/x",
      target: "t/x",
      from: "b",
    });
    expect(seen).toEqual(["bind", "$X", "t$X"]);
  });

  const errors: readonly (readonly [string, string])[] = [
    ["type=tmp,target=/x", 'unsupported mount type "tmp" (did you mean tmpfs?)'],
    ["type=,target=/x", 'unsupported mount type ""'],
    ["typ=x", "unexpected key 'typ' in 'typ=x' (did you mean type?)"],
    ["type=bind,size=3,target=/x", "unexpected key 'size' for mount type 'bind'"],
    ["size=3,type=tmpfs,target=/x", "unexpected key 'size' for mount type 'bind'"],
    ["type=bind,target=/x,required", "unexpected key 'required' for mount type 'bind'"],
    ["required=true,type=secret,id=x", "unexpected key 'required' for mount type 'bind'"],
    ["x", "invalid field 'x' must be a key=value pair"],
    ["type=cache,target=/x,", "invalid field '' must be a key=value pair"],
    ["ro=y,target=/x", "invalid value for ro: y"],
    ["type=secret,required=maybe,id=x", "invalid value for required: maybe"],
    ["type=tmpfs,target=/x,size=abc", "invalid value for size: abc"],
    ["type=cache,sharing=x,target=/x", 'unsupported sharing value "x"'],
    ["type=cache,sharing=lock,target=/x", 'unsupported sharing value "lock" (did you mean locked?)'],
    ["sharing=shared,target=/x", "invalid cache sharing set for bind mount"],
    ["mode=1,target=/x", 'mode not allowed for "bind" type mounts'],
    ["type=tmpfs,uid=3,target=/x", 'uid not allowed for "tmpfs" type mounts'],
    ["type=bind,gid=3,target=/x", 'gid not allowed for "bind" type mounts'],
    ["type=cache,uid=x,target=/x", "invalid value x for uid"],
    ["type=cache,uid=-1,target=/x", "invalid value -1 for uid"],
    ["type=cache,gid=4294967296,target=/x", "invalid value 4294967296 for gid"],
    ["type=cache,mode=9,target=/x", "invalid value 9 for mode"],
    ["type=bind,target=/", 'invalid mount target "/"'],
    ["type=cache,target=/a/..", 'invalid mount target "/a/.."'],
    ["type=secret", "invalid secret mount. one of source, target required"],
    ["type=secret,env=X", "invalid secret mount. one of source, target required"],
    ["type=secret,from=x,id=a", "secret mount should not have a from"],
    ["type=secret,sharing=locked,id=a", "secret mount should not define sharing"],
    ["type=secret,source=b,id=a", "both source and id can't be set"],
    ["type=ssh,source=x", "ssh does not support source"],
    ["from=$X,target=/x", "'from' doesn't support variable expansion, define alias stage instead"],
    ["", "failed to parse csv mounts: EOF"],
    ['a"b', 'failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted-field'],
    ['"a"b', 'failed to parse csv mounts: parse error on line 1, column 3: extraneous or missing " in quoted-field'],
    ['"ab', 'failed to parse csv mounts: parse error on line 1, column 1: extraneous or missing " in quoted-field'],
  ];
  for (const [value, message] of errors) {
    test(`refuses ${JSON.stringify(value)}`, () => {
      expect(() => parseMount(value)).toThrow(
        expect.objectContaining({ message, code: "DOCKERFILE_SYNTAX", hint: expect.any(String) }),
      );
    });
  }

  test("throws nothing but its own errors", () => {
    const parts = fc.constantFrom(
      "type=",
      "cache",
      "secret",
      "tmpfs",
      "size=",
      "id=",
      "target=",
      "/",
      ",",
      '"',
      "=",
      "1",
      "ro",
      "from=",
      "$X",
    );
    fc.assert(
      fc.property(fc.array(parts), (pieces) => {
        try {
          parseMount(pieces.join(""));
        } catch (error) {
          expect(isNacreError(error)).toBe(true);
        }
      }),
    );
  });
});

describe("when the file is read", () => {
  test("only the CSV form and from are checked", () => {
    expect(() => checkMountSyntax("type=$T,nonsense,x=y")).not.toThrow();
    expect(() => checkMountSyntax("FROM=${X}")).toThrow("'from' doesn't support variable expansion");
    expect(() => checkMountSyntax("from=a$")).not.toThrow();
    expect(() => checkMountSyntax('"a')).toThrow("failed to parse csv mounts");
  });

  test("mountFrom() finds the last from", () => {
    expect(mountFrom("type=bind,From=a,target=/x,from=b")).toBe("b");
    expect(mountFrom("type=cache,target=/x")).toBeUndefined();
    expect(mountFrom("from=,target=/x")).toBeUndefined();
  });
});
