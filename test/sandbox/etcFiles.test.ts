import { describe, expect, it } from "vitest";
import { hostsFile, isSystemdStub, resolvConf } from "../../src/sandbox/etcFiles.js";
import { cgroupsOf, lockedFlags, parseMountInfo } from "../../src/sandbox/hostFacts.js";

describe("/etc/hosts of a RUN", () => {
  it("is Docker's, with --add-host entries at the end", () => {
    const hosts = [
      { name: "foo", ip: "1.2.3.4" },
      { name: "foo6", ip: "::1" },
    ];
    expect(hostsFile("buildkitsandbox", hosts, "host")).toBe(
      "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n1.2.3.4\tfoo\n::1\tfoo6\n",
    );
  });

  it("has the host at its loopback, where the network is the host's", () => {
    const hosts = [{ name: "gw", ip: "host-gateway" }];
    expect(hostsFile("h", hosts, "host")).toContain("127.0.0.1\tgw\n");
    expect(() => hostsFile("h", hosts, "none")).toThrow("gw cannot stand for the host");
  });

  it("takes no name that would begin another entry", () => {
    for (const name of ["a\n6.6.6.6 registry", "a b", "a\tb", "", "#a", "a\0b"]) {
      expect(() => hostsFile("h", [{ name, ip: "1.2.3.4" }], "host"), name).toThrow("cannot be part of a line");
      expect(() => hostsFile(name, [], "host"), name).toThrow("cannot be part of a line");
    }
  });
});

describe("/etc/resolv.conf of a RUN", () => {
  const mixed = "search x\nnameserver 127.0.0.1\nnameserver 10.0.0.1\n nameserver ::1\nnameserver ::1%lo\noptions a\n";

  it("is the host's own, loopback servers included, where the network is", () => {
    expect(resolvConf(mixed, "host")).toBe(mixed);
  });

  it("has no servers of the host's loopback where the network is another one", () => {
    expect(resolvConf(mixed, "none")).toBe("search x\nnameserver 10.0.0.1\noptions a\n");
  });

  it("tells systemd's stub from other loopback servers", () => {
    expect(isSystemdStub("nameserver 127.0.0.53\noptions edns0\n")).toBe(true);
    expect(isSystemdStub("nameserver 127.0.0.53\nnameserver 10.0.0.1\n")).toBe(false);
    expect(isSystemdStub("nameserver 127.0.0.1\n")).toBe(false);
    expect(isSystemdStub("# nameserver 127.0.0.53\n")).toBe(false);
  });
});

describe("facts of the host", () => {
  const lines = parseMountInfo(
    [
      "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
      "23 22 0:20 / /home/my\\040disk rw,nosuid,nodev,noexec - ext4 /dev/vdb rw",
      "24 22 0:21 / /home/my\\040disk/inner rw,relatime shared:5 master:1 - xfs /dev/vdc rw",
      "25 22 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw",
      "26 25 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
      "27 25 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
      "broken",
    ].join("\n"),
  );

  it("name the flags that a user namespace may not clear", () => {
    expect(lockedFlags(lines, "/home/my disk/store/x")).toEqual(["nosuid", "nodev", "noexec"]);
    expect(lockedFlags(lines, "/home/my disk/inner/x")).toEqual([]);
    expect(lockedFlags(lines, "/home/my diskette")).toEqual([]);
  });

  it("know control groups of both versions", () => {
    expect(cgroupsOf(lines)).toEqual([{ name: "cpu" }]);
    expect(cgroupsOf(parseMountInfo("1 1 0:1 / /sys/fs/cgroup rw - cgroup2 none rw"))).toEqual([{ name: "" }]);
    expect(cgroupsOf([])).toEqual([]);
  });
});
