import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAX_SECRET_BYTES, parseSecrets } from "../../src/build/secrets.js";
import { scratch } from "./helpers.js";

const CANARY = "canary-5ca1ab1e";
let folder = "";
const before = process.cwd();

beforeEach(() => {
  folder = scratch();
  process.chdir(folder);
  writeFileSync("x", "filecontent\n");
  writeFileSync("other", "otherfile\n");
});

afterEach(() => process.chdir(before));

/** The value of `x` as text. */
const value = (texts: readonly string[], env: Record<string, string> = {}): string | undefined =>
  parseSecrets(texts, env).get("x")?.toString();

describe("--secret is read as buildx reads it", () => {
  test.each<[string, string[], Record<string, string>, string | undefined]>([
    ["id alone: the variable of that name", ["id=x"], { x: "env" }, "env"],
    ["id alone: even an empty one", ["id=x"], { x: "" }, ""],
    ["id alone: else the file of that name", ["id=x"], {}, "filecontent\n"],
    ["src names a file", ["id=x,src=other"], { x: "env" }, "otherfile\n"],
    ["source does too", ["id=x,source=other"], {}, "otherfile\n"],
    ["an empty src is none", ["id=x,src="], {}, "filecontent\n"],
    ["env names a variable", ["id=x,env=FOO"], { FOO: "foo" }, "foo"],
    ["env comes before src", ["id=x,src=other,env=FOO"], { FOO: "foo" }, "foo"],
    ["a variable that is not set is empty", ["id=x,env=FOO"], {}, ""],
    ["type=env takes src for the variable", ["id=x,type=env,src=FOO"], { FOO: "foo" }, "foo"],
    ["type=env with both: env", ["id=x,type=env,src=other,env=FOO"], { FOO: "foo" }, "foo"],
    ["type=env with neither: as id alone", ["id=x,type=env"], {}, "filecontent\n"],
    ["type=file does not hide the variable", ["id=x,type=file"], { x: "env" }, "env"],
    ["type=file with env: env", ["id=x,type=file,src=other,env=FOO"], { FOO: "foo" }, "foo"],
    ["the last of an id counts", ["id=x,src=x", "id=x,src=other"], {}, "otherfile\n"],
    ["keys in capitals", ["ID=x,SRC=other"], {}, "otherfile\n"],
    ["quoted fields", ['id=x,"src=other"'], {}, "otherfile\n"],
    ["an empty text is nothing", [""], {}, undefined],
    ["another id is not this one", ["id=y,src=x"], {}, undefined],
  ])("%s", (_, texts, env, expected) => {
    expect(value(texts, env)).toBe(expected);
  });

  test.each<[string, string, string]>([
    ["id=x,src=missing", "MOUNT", "missing"],
    ["id=x,src=missing,env=PATH", "MOUNT", "missing"],
    ["id=nofile", "MOUNT", "nofile"],
    ["id=x,src=.", "MOUNT", "is a directory"],
    ["src=x", "USAGE", "has no id"],
    ["x", "USAGE", "key=value"],
    ["id=x,required", "USAGE", "key=value"],
    ["id=x,frob=1", "USAGE", 'unexpected key "frob"'],
    ["id=x,type=vault", "USAGE", "file or env"],
    ['id=x,src="x"', "USAGE", "malformed"],
  ])("%s is refused", (text, code, message) => {
    expect(() => parseSecrets([text], {})).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message), hint: expect.any(String) }),
    );
  });

  test("variables that are not set can be told of", () => {
    const secrets = parseSecrets(["id=x,env=FOO", "id=y,env=BAR", "id=z,src=x"], { BAR: "" });
    expect(secrets.unset).toEqual([{ id: "x", variable: "FOO" }]);
    expect(secrets.ids).toEqual(["x", "y", "z"]);
  });
});

describe("the value of a secret", () => {
  test("may be 500 KiB long, and any bytes", () => {
    const bytes = Buffer.alloc(MAX_SECRET_BYTES, Buffer.from([0, 255, 10, 128]));
    writeFileSync("big", bytes);
    expect(parseSecrets(["id=x,src=big"], {}).get("x")!.equals(bytes)).toBe(true);
    writeFileSync("big", Buffer.alloc(MAX_SECRET_BYTES + 1));
    expect(() => parseSecrets(["id=x,src=big"], {})).toThrow("secret x too big");
    expect(() => parseSecrets(["id=x,src=/dev/zero"], {}).get("x")).toThrow("secret x too big");
  });

  test("is read when it is first asked for, and once", () => {
    const secrets = parseSecrets(["id=x,src=x"], {});
    writeFileSync("x", "later");
    expect(secrets.get("x")!.toString()).toBe("later");
    writeFileSync("x", "still later");
    expect(secrets.get("x")!.toString()).toBe("later");
  });

  test.skipIf(process.platform === "win32")("may come through a pipe, as <(…) gives it", () => {
    execFileSync("mkfifo", ["pipe"]);
    execFileSync("sh", ["-c", "(echo piped > pipe) > /dev/null 2>&1 &"]);
    expect(value(["id=x,src=pipe"])).toBe("piped\n");
  });

  test("is in nothing that is printed, logged or thrown", () => {
    writeFileSync("x", CANARY);
    const secrets = parseSecrets(["id=x,src=x", "id=y,env=FOO"], { FOO: CANARY });
    expect([secrets.get("x")!.toString(), secrets.get("y")!.toString()]).toEqual([CANARY, CANARY]);
    const hex = Buffer.from(CANARY).toString("hex").replaceAll(/(..)/g, "$1 ").slice(0, 12);
    for (const text of [
      JSON.stringify({ secrets }),
      inspect(secrets, { depth: 9, showHidden: true }),
      String(secrets),
    ]) {
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(hex);
    }
    for (const text of [
      `id=x,value=${CANARY}`,
      `id=x,${CANARY}`,
      `${CANARY}`,
      `id=x,type=${CANARY}`,
      `id=x,"${CANARY}`,
    ]) {
      expect(thrownBy(() => parseSecrets([text], {}))).not.toContain(CANARY);
    }
    expect(join(folder, "x")).not.toContain(CANARY);
  });
});

/** Everything that an error says. */
function thrownBy(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return inspect(error, { depth: 9 }) + JSON.stringify(error);
  }
  throw new Error("nothing was thrown");
}
