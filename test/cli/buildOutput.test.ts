import { PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseOutput } from "../../src/cli/commands/buildOutput.js";
import { formatCsvLine } from "../../src/cli/csv.js";
import { errorOf } from "./errors.js";

const stream = new PassThrough();
const stdout = { stream, isTTY: false };
const terminal = { stream, isTTY: true };

function output(text: string) {
  const parsed = parseOutput(text, stdout);
  if (parsed.kind !== "output") throw new Error(`${text} asks for no output`);
  return parsed.output;
}

const plainOci = {
  type: "oci",
  destination: { kind: "path", path: "x.tar" },
  tar: true,
  compression: { type: "gzip", force: false },
  names: undefined,
  rewriteTimestamp: false,
  annotations: new Map(),
};

describe("--output", () => {
  test("type and dest alone leave everything else at buildx's defaults", () => {
    expect(output("type=oci,dest=x.tar")).toEqual(plainOci);
    expect(output("dest=x.tar,type=docker")).toEqual({ ...plainOci, type: "docker" });
  });

  test("registries and engines get the image in the same form as archives", () => {
    const form = { compression: { type: "gzip", force: false }, names: undefined, rewriteTimestamp: false };
    const annotations = new Map();
    expect(output("type=registry")).toEqual({ type: "registry", ...form, annotations });
    expect(output("type=image,push=true,name=a:1,compression=zstd")).toEqual({
      ...{ type: "registry", ...form, annotations, names: ["a:1"], compression: { type: "zstd", force: false } },
    });
    expect(output("type=image,name=a,push=true,push-by-digest=true,name-canonical=true")).toEqual({
      ...{ type: "registry", ...form, annotations, names: ["a"], byDigest: true, canonical: true },
    });
    expect(output("type=docker")).toEqual({ type: "engine", engine: "docker", ...form, annotations });
    expect(output("type=podman")).toEqual({ type: "engine", engine: "podman", ...form, annotations });
  });

  test("a bare path is a directory for the files", () => {
    expect(output("out/dir")).toEqual({ type: "local", destination: { kind: "path", path: "out/dir" } });
    expect(output("./a=b")).toEqual({ type: "local", destination: { kind: "path", path: "./a=b" } });
  });

  test("a dash is a tar of the files to standard output", () => {
    expect(output("-")).toEqual({ type: "tar", destination: { kind: "stream", stream } });
  });

  test.each([
    ["tar=false", { tar: false }],
    ["tar=0", { tar: false }],
    ["TAR=false", { tar: false }],
    [" tar=true", { tar: true }],
    ["compression=none", { compression: { type: "none", force: false } }],
    ["compression=uncompressed", { compression: { type: "none", force: false } }],
    ["compression=zstd,compression-level=19", { compression: { type: "zstd", force: false, level: 19 } }],
    ["compression-level=0", { compression: { type: "gzip", force: false, level: 0 } }],
    ["force-compression=true", { compression: { type: "gzip", force: true } }],
    ["rewrite-timestamp=true", { rewriteTimestamp: true }],
    ["name=a:1", { names: ["a:1"] }],
    ['"name=a:1, b:2"', { names: ["a:1", "b:2"] }],
    ["name=", { names: undefined }],
    ["annotation.org.Example=x=y", { annotations: new Map([["org.Example", "x=y"]]) }],
    ["annotation-manifest.a=1", { annotations: new Map([["a", "1"]]) }],
    ["oci-mediatypes=true", {}],
  ])("%s is understood", (text, expected) => {
    expect(output(`type=oci,dest=x.tar,${text}`)).toEqual({ ...plainOci, ...expected });
  });

  test("standard output serves tars where dest is a dash or missing", () => {
    expect(output("type=oci,dest=-")).toMatchObject({ destination: { kind: "stream" } });
    expect(output("type=oci")).toMatchObject({ destination: { kind: "stream" } });
    expect(output("type=tar")).toMatchObject({ destination: { kind: "stream" } });
    expect(output("type=docker,dest=-")).toMatchObject({ destination: { kind: "stream" } });
  });

  test("type=image gives the image in the store more names", () => {
    expect(parseOutput('type=image,"name=a:1,b:2"', stdout)).toEqual({ kind: "names", names: ["a:1", "b:2"] });
    expect(parseOutput("type=image", stdout)).toEqual({ kind: "names", names: [] });
  });

  test("type=cacheonly writes nothing and names nothing", () => {
    expect(parseOutput("type=cacheonly", stdout)).toEqual({ kind: "names", names: [] });
  });

  test.each([
    ["dest=x", "has no type"],
    ["type=", "has no type"],
    ["type=oci,dest", "is not key=value"],
    ["type=oci,=x", "is not key=value"],
    ["type=ocy,dest=x", "did you mean oci?"],
    ["type=__proto__", "unknown output type"],
    ["type=oci,dset=x", "did you mean dest?"],
    ["type=oci,compresion=gzip", "did you mean compression?"],
    ["type=oci,unpack=true", "keys are"],
    ["type=local,dest=x,compression=gzip", 'unknown key "compression"'],
    ["type=oci,annotation-index.a=1", "not available"],
    ["type=oci,annotation[linux/amd64].a=1", "not available"],
    ["type=oci,compression=estargz", "use gzip or zstd"],
    ["type=oci,compression=lz4", "none, gzip or zstd"],
    ["type=oci,compression=constructor", "unknown compression"],
    ["type=oci,compression-level=10", "0 to 9"],
    ["type=oci,compression=zstd,compression-level=0", "1 to 22"],
    ["type=oci,compression-level=high", "0 to 9"],
    ["type=oci,compression=none,compression-level=3", "has no level"],
    ["type=oci,rewrite-timestamp=yes", "true or false"],
    ["type=oci,oci-mediatypes=false", "not available"],
    ["type=oci,tar=false", "needs dest=DIR"],
    ["type=local", "needs dest=DIR"],
    ["type=local,dest=-", "needs dest=DIR"],
    ["type=oci,attestation-inline=true", 'unknown key "attestation-inline"'],
    ["type=oci,prefer-nondist-layers=true", 'unknown key "prefer-nondist-layers"'],
    ["type=oci,compatibility-version=20", 'unknown key "compatibility-version"'],
    ["type=oci,dest=x,push-by-digest=true", 'unknown key "push-by-digest"'],
    ["type=local,dest=x,platform-split=true", 'unknown key "platform-split"'],
    ["type=local,dest=x,mode=delete", 'unknown key "mode"'],
    ["", "empty"],
    ['type=oci,name="a,b"', "malformed list"],
  ])("%j is refused: %s", (text, part) => {
    const error = errorOf(() => parseOutput(text, stdout));
    expect(error.code).toBe("USAGE");
    expect(`${error.message}\n${error.hint}`).toContain(part);
  });

  test.each(["-", "type=oci", "type=tar,dest=-"])("%s is refused where standard output is a terminal", (text) => {
    expect(errorOf(() => parseOutput(text, terminal)).message).toContain("terminal");
  });

  test("any destination and annotation survives quoting", () => {
    const path = fc.string({ minLength: 1 }).filter((text) => text !== "-");
    fc.assert(
      fc.property(path, fc.string(), (dest, value) => {
        const text = formatCsvLine(["type=oci", `dest=${dest}`, `annotation.k=${value}`]);
        expect(output(text)).toEqual({
          ...plainOci,
          destination: { kind: "path", path: dest },
          annotations: new Map([["k", value]]),
        });
      }),
    );
  });
});
