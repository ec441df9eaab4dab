import { describe, expect, it } from "vitest";
import type { Accounts } from "../../src/image/users.js";
import { readAccounts } from "../../src/image/users.js";
import { addsHome, runEnvironment } from "../../src/sandbox/runEnvironment.js";
import { resolveRunUser } from "../../src/sandbox/runUser.js";
import { treeOf } from "../layer/helpers.js";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
alice:x:1000:1001:A:/home/alice:/bin/sh
bob:x:1002:100::/home/bob:/bin/sh
toor:x:0:7::/toor:/bin/sh
homeless:x:77:7::
bad:x:zz:3::/bad:
big:x:4294967296:3::/big:
dup:x:5:1::/d1:
dup:x:6:2::/d2:
`;
const GROUP = `root:x:0:
wheel:x:10:alice,bob
agrp:x:1001:
users:x:100:
audio:x:29:alice
far:x:4294967296:dup
dub:x:55:homeless,homeless
dub2:x:55:homeless
`;

async function accounts(): Promise<Accounts> {
  return readAccounts(
    treeOf([
      { path: "etc/passwd", content: PASSWD },
      { path: "etc/group", content: GROUP },
    ]),
  );
}

describe("USER of a RUN", () => {
  it("is resolved as Docker resolves it", async () => {
    const known = await accounts();
    const ids = (spec: string) => {
      const { uid, gid, groups, home } = resolveRunUser(spec, known);
      return `${uid}:${gid} ${groups.join(",")} ${home}`;
    };
    // What `id` and $HOME gave in a RUN of Docker 28.2.
    expect(ids("")).toBe("0:0 0 /root");
    expect(ids("alice")).toBe("1000:1001 1001,10,29 /home/alice");
    expect(ids("1000")).toBe("1000:1001 1001,10,29 /home/alice");
    expect(ids("1000:1000")).toBe("1000:1000 1000 /home/alice");
    expect(ids("alice:audio")).toBe("1000:29 29 /home/alice");
    expect(ids("alice:29")).toBe("1000:29 29 /home/alice");
    expect(ids("1000:audio")).toBe("1000:29 29 /home/alice");
    expect(ids(":audio")).toBe("0:29 29 /root");
    expect(ids("7")).toBe("7:0 0 /");
    expect(ids("7:")).toBe("7:0 0 /");
    expect(ids(":")).toBe("0:0 0 /root");
    expect(ids("alice:")).toBe("1000:1001 1001,10,29 /home/alice");
    expect(ids("bob")).toBe("1002:100 100,10 /home/bob");
    expect(ids("007")).toBe("7:0 0 /");
    expect(ids("00")).toBe("0:0 0 /root");
    expect(ids("+1000:29")).toBe("1000:29 29 /home/alice");
    expect(ids("2147483647")).toBe("2147483647:0 0 /");
    expect(ids("0:2147483648")).toBe("0:2147483648 2147483648 /root");
    expect(ids("root:root")).toBe("0:0 0 /root");
  });

  it("gets HOME from the first entry with its uid, and an empty one where the entry has none", async () => {
    const known = await accounts();
    expect(resolveRunUser("toor", known)).toMatchObject({ uid: 0, gid: 7, home: "/root" });
    expect(resolveRunUser("homeless", known)).toMatchObject({ home: "", groups: [7, 55] });
  });

  it("is refused where the name is not known, in BuildKit's words", async () => {
    const known = await accounts();
    const noUser = (name: string) => `unable to find user ${name}: no matching entries in passwd file`;
    for (const name of ["nobody", "0x0", "1.0", "bad", "١", " 0", "alice "]) {
      expect(() => resolveRunUser(name, known)).toThrow(noUser(name));
    }
    expect(() => resolveRunUser("alice:nogroup", known)).toThrow(
      "unable to find group nogroup: no matching entries in group file",
    );
    expect(() => resolveRunUser("root", { passwd: undefined, groups: undefined })).toThrow(noUser("root"));
    expect(resolveRunUser("0", { passwd: undefined, groups: undefined })).toMatchObject({ uid: 0, gid: 0, home: "/" });
  });

  it("is refused where an id is out of range, wherever it comes from", async () => {
    const known = await accounts();
    const specs = ["-1", "2147483648", "4294967294", "4294967295", "4294967296", "18446744073709551616", "5:-1"];
    for (const spec of [...specs, "4294967295:0", "0:4294967295", "0:4294967296", "big", "alice:far", "dup"]) {
      expect(() => resolveRunUser(spec, known), spec).toThrow("uids and gids must be in range 0-");
    }
  });
});

describe("the environment of a RUN", () => {
  const defaults = { home: "/home/a", agentSocket: undefined, secretNames: new Set<string>() };

  it("has each name once, with the last value", () => {
    expect(runEnvironment(["A=1", "HOME=/x", "B=2", "A=3=4"], defaults)).toEqual(["HOME=/x", "B=2", "A=3=4"]);
  });

  it("gets HOME where there is none, or an empty one", () => {
    expect(runEnvironment(["A=1"], defaults)).toEqual(["A=1", "HOME=/home/a"]);
    expect(runEnvironment(["HOME=", "A=1"], defaults)).toEqual(["A=1", "HOME=/home/a"]);
  });

  it("says whether HOME was added, which is the last variable then", () => {
    const added = (env: string[], ...secrets: string[]) => addsHome(env, new Set(secrets));
    expect([added(["A=1"]), added(["HOME="]), added(["HOME=/x", "HOME="])]).toEqual([true, true, true]);
    expect([added(["HOME=/x"]), added(["HOME=", "HOME=/x"]), added([], "HOME")]).toEqual([false, false, false]);
  });

  it("gets SSH_AUTH_SOCK where it is not set, and leaves what a secret replaces to the secret", () => {
    const env = { ...defaults, agentSocket: "/s", secretNames: new Set(["HOME", "TOKEN"]) };
    expect(runEnvironment(["TOKEN=x"], env)).toEqual(["SSH_AUTH_SOCK=/s"]);
    expect(runEnvironment(["SSH_AUTH_SOCK=/own"], env)).toEqual(["SSH_AUTH_SOCK=/own"]);
  });
});
