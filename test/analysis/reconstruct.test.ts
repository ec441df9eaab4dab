/** Dockerfiles out of histories; what they say is checked by building them, where they can be built. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { imageHistory, inspectImage, reconstructDockerfile } from "../../src/analysis/analysis.js";
import { readHistoryLine } from "../../src/analysis/historyInstruction.js";
import { build } from "../../src/build/build.js";
import { Store } from "../../src/store/store.js";

describe("the instruction behind a line of a history", () => {
  test.each([
    ["RUN /bin/sh -c make install # buildkit", "RUN make install"],
    ["/bin/sh -c apt-get update && apt-get install -y x", "RUN apt-get update && apt-get install -y x"],
    ["COPY app /app # buildkit", "COPY app /app"],
    ["COPY file:4f2e0b5c1b2a in /etc/x ", "COPY file:4f2e0b5c1b2a /etc/x"],
    ["/bin/sh -c #(nop) ADD file:4f2e0b5c1b in / ", "ADD file:4f2e0b5c1b /"],
    ['/bin/sh -c #(nop)  CMD ["bash" "-c" "a \\"b\\""]', 'CMD ["bash", "-c", "a \\"b\\""]'],
    ['ENTRYPOINT ["/bin/tool"]', 'ENTRYPOINT ["/bin/tool"]'],
    ["SHELL [/bin/bash -o pipefail -c]", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]'],
    ["VOLUME [/data /more]", 'VOLUME ["/data", "/more"]'],
    ["EXPOSE map[53/udp:{} 80/tcp:{}]", "EXPOSE 53/udp 80/tcp"],
    ["EXPOSE [8080/tcp]", "EXPOSE 8080/tcp"],
    ["ENV GREETING=hello world", 'ENV GREETING="hello world"'],
    ["ENV A=1 B=2", "ENV A=1 B=2"],
    ["LABEL title=a rather long one", 'LABEL title="a rather long one"'],
    [
      'HEALTHCHECK &{["CMD-SHELL" "curl -f http://x || exit 1"] "30s" "3s" "0s" "0s" \'\\x03\'}',
      "HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD curl -f http://x || exit 1",
    ],
    ['HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'}', "HEALTHCHECK NONE"],
    ["RUN /bin/sh -c <<EOF\necho a\nEOF # buildkit", "RUN <<EOF\necho a\nEOF"],
    ["USER app", "USER app"],
  ])("%j", (line, text) => {
    expect(readHistoryLine(line, false)).toEqual({ text });
  });

  test("the arguments that a command saw stand beside it", () => {
    expect(readHistoryLine("RUN |2 A=1 B=two words /bin/sh -c make # buildkit", false)).toEqual({
      text: "RUN make",
      args: "A=1 B=two words",
    });
    expect(readHistoryLine("|0 /bin/sh -c make", false)).toEqual({ text: "RUN make" });
  });

  test("a line that made no layer and is no instruction is a remark, an empty one nothing", () => {
    expect(readHistoryLine("imported from\n-", true)).toEqual({ text: "# imported from -" });
    expect(readHistoryLine(" ", true)).toBeUndefined();
  });
});

async function world() {
  const root = mkdtempSync(join(tmpdir(), "nacre-reconstruct-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const context = join(root, "context");
  mkdirSync(context);
  writeFileSync(join(context, "a"), "a");
  const path = join(root, "store");
  const make = (text: string, tag: string) =>
    build({ context, dockerfile: { kind: "text", text }, tags: [tag], store: path });
  const open = async () => {
    const store = await Store.open(path);
    onTestFinished(() => store.close());
    return store;
  };
  return { make, open };
}

const BASE = "FROM scratch\nCOPY a /base\nENV LANG=C\n";
const OWN = `FROM base:1
COPY a /b/
ENV GREETING="hello world" OTHER=x
WORKDIR /work
EXPOSE 80/tcp 53/udp
USER 1000:1000
LABEL title="a b" empty=""
VOLUME ["/data"]
STOPSIGNAL SIGINT
SHELL ["/bin/ash", "-c"]
HEALTHCHECK --interval=30s --start-period=5s --retries=4 CMD ["/bin/x", "y z"]
ENTRYPOINT ["/bin/tool", "--flag=a b"]
CMD ["x y"]
`;

test("a Dockerfile of a history builds an image with the same config", async () => {
  const { make, open } = await world();
  await make(BASE, "base:1");
  await make(OWN, "app:1");
  const store = await open();
  const lines = await reconstructDockerfile(await imageHistory("app:1", { env: {}, store }));
  expect(lines).toContain("FROM base:1");
  expect(lines.some((line) => line.includes("LANG"))).toBe(false);
  await make(lines.join("\n"), "again:1");
  const [one, two] = [
    await inspectImage("app:1", { env: {}, store }),
    await inspectImage("again:1", { env: {}, store }),
  ];
  expect(two.Config).toEqual(one.Config);
  expect(two.RootFS.Layers[0]).toBe(one.RootFS.Layers[0]);
  expect(two.Layers.map(({ Files }) => Files)).toEqual(one.Layers.map(({ Files }) => Files));
});

test("layers are told with their base and with the lines that made them", async () => {
  const { make, open } = await world();
  await make(BASE, "base:1");
  await make("FROM base:1\n\nCOPY a /one\nLABEL x=y\n# remark\nCOPY a /two\n", "app:1");
  const { lines, base } = await imageHistory("app:1", { env: {}, store: await open() });
  expect(base).toMatchObject({ name: "base:1", layers: 1, by: "layers" });
  const told = [...lines].reverse().flatMap(({ layer }) => (layer ? [[layer.isBase, layer.line?.line]] : []));
  expect(told).toEqual([
    [true, 2],
    [false, 3],
    [false, 6],
  ]);
  const sums = [...lines].reverse().map(({ cumulativeSize }) => cumulativeSize);
  expect(sums.at(-1)).toBe(3);
});
