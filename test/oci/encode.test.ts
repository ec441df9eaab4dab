/** The bytes of image documents, beside those of Docker. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { digestOfHex } from "../../src/oci/digest.js";
import { parseConfig } from "../../src/oci/documents.js";
import { encodeConfig, encodeIndex, encodeManifest } from "../../src/oci/encode.js";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";

/** What Docker 28.5 wrote for a Dockerfile with every instruction, with all that its encoder escapes. */
const DOCKERS = String.raw`{"architecture":"amd64","author":"Jo \u003cjo@example.com\u003e","config":{"User":"app:staff","ExposedPorts":{"80/udp":{},"90/tcp":{}},"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=\u003cb\u003e\u0026amp;","B=a\"b\\c"],"Entrypoint":["/e","\u2028"],"Cmd":["/bin/bash","-c","echo \u003e /x"],"Volumes":{"/a":{},"/v\u0026w":{}},"WorkingDir":"/","Labels":{"a":"tab\tand é","z":"1","ｚ":"3","😀":"2"},"StopSignal":"SIGINT","ArgsEscaped":true,"Healthcheck":{"Test":["CMD-SHELL","curl \u003cx\u003e"],"Interval":300000000000,"Retries":3},"OnBuild":["RUN echo \"\u003c\u0026\u003e\""],"Shell":["/bin/bash","-c"]},"created":"2023-11-14T22:13:20Z","history":[{"created":"2023-11-14T22:13:20Z","created_by":"MAINTAINER Jo \u003cjo@example.com\u003e","comment":"buildkit.dockerfile.v0","empty_layer":true},{"created":"2023-11-14T22:13:20Z","created_by":"COPY f /f # buildkit","comment":"buildkit.dockerfile.v0"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:faeb5d5785013c2d55d49d2883c2eef88706bd58dab704e229383d05f707a4af"]}}`;

/** An object with the same members, the last one first, at every depth. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}

const config = (document: unknown) => parseConfig(Buffer.from(JSON.stringify(document)), "test");

describe("an image config", () => {
  test("has Docker's bytes, whatever order its members came in", () => {
    expect(encodeConfig(config(reversed(JSON.parse(DOCKERS)))).toString()).toBe(DOCKERS);
  });

  test("that Docker saved is written again byte for byte", () => {
    const archive = gunzipSync(readFileSync("testdata/archives/docker-save-28.tar.gz"));
    const start = archive.indexOf('{"architecture"');
    const saved = archive.subarray(start, archive.indexOf(0, start));
    expect(encodeConfig(parseConfig(saved, "saved")).equals(saved)).toBe(true);
  });

  test("leaves empty members out, but for config, history and rootfs", () => {
    const empty = { Env: [], Cmd: null, User: "", ArgsEscaped: false, Labels: {}, Healthcheck: null };
    const document = { os: "linux", architecture: "amd64", variant: "", config: empty, rootfs: { type: "layers" } };
    expect(encodeConfig(config(document)).toString()).toBe(
      '{"architecture":"amd64","config":{},"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
    );
  });

  test("keeps of its inner members those that Docker knows", () => {
    const inner = { Cmd: ["x"], Hostname: "h", Tty: true, Unknown: 1, Healthcheck: { Test: ["NONE"], Odd: 2 } };
    const document = { os: "linux", architecture: "amd64", config: inner, rootfs: { type: "layers" } };
    expect(JSON.parse(encodeConfig(config(document)).toString()).config).toEqual({
      ...{ Cmd: ["x"], Healthcheck: { Test: ["NONE"] } },
    });
  });
});

describe("a manifest", () => {
  const digest = digestOfHex("0".repeat(64));
  const layer = { size: 2, digest, mediaType: OCI_LAYER_GZIP };
  const descriptor = { size: 1, digest, mediaType: OCI_CONFIG };

  test("is indented by two blanks, its members in Docker's order, annotations sorted", () => {
    const annotations = { b: "<2>", a: "1" };
    const manifest = {
      annotations,
      layers: [layer],
      config: descriptor,
      mediaType: OCI_MANIFEST,
      schemaVersion: 2,
    } as const;
    expect(encodeManifest(manifest).toString()).toBe(`{
  "schemaVersion": 2,
  "mediaType": "${OCI_MANIFEST}",
  "config": {
    "mediaType": "${OCI_CONFIG}",
    "digest": "${digest}",
    "size": 1
  },
  "layers": [
    {
      "mediaType": "${OCI_LAYER_GZIP}",
      "digest": "${digest}",
      "size": 2
    }
  ],
  "annotations": {
    "a": "1",
    "b": "\\u003c2\\u003e"
  }
}`);
  });

  test("stands in an index with its platform at the end", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    const manifests = [{ platform, digest, size: 3, mediaType: OCI_MANIFEST }];
    expect(encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, 0).toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[{"mediaType":"${OCI_MANIFEST}","digest":"${digest}","size":3,"platform":{"architecture":"arm","os":"linux","variant":"v7"}}]}`,
    );
  });
});
