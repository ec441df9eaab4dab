import { describe, expect, test } from "vitest";
import { answerForeignFlags, FOREIGN_FLAGS } from "../../src/cli/commands/foreignFlags.js";
import { errorOf } from "./errors.js";

describe("flags of docker build that are not executed", () => {
  test("every one of them is refused or noted when given, unless it asks for what is done anyway", () => {
    for (const flag of FOREIGN_FLAGS) {
      const answer = tryAnswer({ [flag.attribute]: flag.flags.includes("<") ? ["x"] : true });
      expect(answer, flag.flags).not.toEqual([]);
    }
  });

  test("none that is not given says anything", () => {
    expect(answerForeignFlags({ tag: ["a"], compress: false, cache: true })).toEqual([]);
  });

  test.each([
    [{ provenance: ["false"] }],
    [{ provenance: ["mode=max,disabled=true"] }],
    [{ sbom: ["false"] }],
    [{ attest: ["type=provenance,disabled=true"] }],
  ])("%j asks for what is done anyway", (options) => {
    expect(answerForeignFlags(options)).toEqual([]);
  });

  test.each([
    [{ provenance: ["mode=max"] }, "--provenance is not available"],
    [{ sbom: ["true"] }, "--sbom is not available"],
    [{ attest: ["type=sbom"] }, "--attest is not available"],
    [{ securityOpt: ["seccomp=x"] }, "--security-opt is not available"],
    [{ cgroupParent: "x" }, "--cgroup-parent is not available"],
    [{ cacheTo: ["x"] }, "--cache-to is not available"],
  ])("%j is refused with a reason", (options, message) => {
    const error = errorOf(() => answerForeignFlags(options));
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain(message);
    expect(error.message.length).toBeGreaterThan(message.length + 10);
  });

  test("flags without which the result is right are noted, by the name that was typed", () => {
    const notes = answerForeignFlags({ compress: true, cacheFrom: ["a"], cpusetMems: "0", rm: true });
    expect(notes.map((text) => text.split(":")[0])).toEqual(["--cache-from", "--compress", "--cpuset-mems", "--rm"]);
  });
});

function tryAnswer(options: Record<string, unknown>): unknown {
  try {
    return answerForeignFlags(options);
  } catch (error) {
    return error;
  }
}
