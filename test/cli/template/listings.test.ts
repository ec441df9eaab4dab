/** Templates as the commands that print listings take them. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { faultyRegistry } from "../../registry/servers/faultyRegistry.js";
import { json, startHub } from "../../registry/servers/hub.js";
import { makeImage } from "../../registry/servers/images.js";
import { nacre } from "../invocation.js";

const { search } = JSON.parse(readFileSync("testdata/template/docker.json", "utf8")) as {
  readonly search: {
    readonly results: readonly object[];
    readonly cases: readonly { readonly template: string; readonly output?: string; readonly error?: string }[];
  };
};

async function hub() {
  const { url, answers, requests } = await startHub();
  answers.set("/v1/search", (_url, response) => json(response, { results: search.results }));
  const env = { NACRE_HUB_INDEX: url, NACRE_HUB_SITE: url };
  return { requests, run: (...argv: readonly string[]) => nacre(argv, { env }) };
}

describe("nacre search --format", () => {
  test.each(search.cases)("prints what docker search prints: $template", async ({ template, output, error }) => {
    const { run } = await hub();
    const { code, stdout, stderr } = await run("search", "--format", template, "nginx");
    // The usual table has no blanks at the ends of its lines.
    const wanted = template === "table" ? output!.replace(/ +$/gm, "") : output;
    if (wanted !== undefined) expect([code, stdout, stderr]).toEqual([0, wanted, ""]);
    else expect([code, stderr]).toEqual([2, expect.stringContaining(error!.replace(/ in type \S+$/, ""))]);
  });

  test("asks for details where the template wants them", async () => {
    const { run } = await hub();
    const { stdout } = await run("search", "--format", "table {{.Name}}\\t{{.Badge}}\\t{{.PullCount}}", "postgres");
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      expect.stringMatching(/^NAME +BADGE +PULLS$/),
      expect.stringMatching(/^postgres +Official +1B\+$/),
    ]);
  });

  test("that cannot be read asks nobody", async () => {
    const { run, requests } = await hub();
    const { code, stderr } = await run("search", "--format", "{{.Name", "nginx");
    expect([code, stderr, requests]).toEqual([2, expect.stringContaining("unclosed action"), []]);
    expect((await run("search", "--format", "jsn", "nginx")).stderr).toContain("did you mean json?");
  });
});

describe("nacre tags --format", () => {
  test("prints a line for each tag", async () => {
    const registry = await faultyRegistry();
    for (const tag of ["1.9", "1.10"]) registry.content.add("app", makeImage({ layers: [] }), tag);
    const run = async (format: string) => (await nacre(["tags", "--format", format, `${registry.host}/app`])).stdout;
    expect(await run("app:{{.Tag}}")).toBe("app:1.10\napp:1.9\n");
    expect(await run("table {{.Tag}}\\t{{.Size}}")).toBe("TAG       SIZE\n1.10      N/A\n1.9       N/A\n");
    expect(await run("{{json .}}")).toBe('{"Tag":"1.10"}\n{"Tag":"1.9"}\n');
  });
});
