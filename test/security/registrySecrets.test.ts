/** A password that opens a registry is in one file only, whatever is done with the registry. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { nacre, tempDirectory } from "../cli/invocation.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage } from "../registry/servers/images.js";

const CANARY = "canary-7f3a-Päßwort";
/** As it may have been encoded on the way. */
const FORMS = [CANARY, Buffer.from(CANARY).toString("base64"), Buffer.from(`ann:${CANARY}`).toString("base64")];

test.each(["basic", "bearer"] as const)(
  "login, pull, build, push and failures leave no trace of it: %s",
  async (kind) => {
    const registry = await faultyRegistry([], { auth: { kind, users: { ann: CANARY }, anonymous: false } });
    registry.content.add("some/app", makeImage(), "1");
    const home = tempDirectory();
    const env = { HOME: home, NACRE_HOME: join(home, "store"), NACRE_REGISTRIES_CONF: "/dev/null", NACRE_DEBUG: "1" };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    vi.stubEnv("DOCKER_CONFIG", undefined);
    const name = `${registry.host}/some/app`;
    const dockerfile = join(home, "Dockerfile");
    writeFileSync(dockerfile, `FROM ${name}:1\nCOPY --from=${name}:1 / /copy/\n`);
    const said: string[] = [];
    const codes: number[] = [];
    const run = async (argv: readonly string[], stdin = ""): Promise<void> => {
      const { code, stdout, stderr } = await nacre(argv, { env: { ...env, PATH: process.env.PATH ?? "" }, stdin });
      said.push(stdout, stderr);
      codes.push(code);
    };
    try {
      await run(["login", "-u", "ann", "--password-stdin", registry.host], CANARY);
      await run(["pull", "--platform", "linux/amd64", `${name}:1`]);
      await run(["build", "--platform", "linux/amd64", "-f", dockerfile, "-t", `${name}:2`, "--push", home]);
      await run(["push", `${name}:2`, `${name}:3`]);
      await run(["tags", name, "--format", "json"]);
      registry.setFaults({ on: "any", fault: "status", status: 403, body: `no, ${CANARY}!` });
      await run(["pull", `${name}:4`]);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(codes).toEqual([0, 0, 0, 0, 0, 1]);
    // What is shown of a refusal are the registry's own words, if they are in its form: these are not.
    expect(FORMS.filter((form) => said.join("\n").includes(form))).toEqual([]);
    expect(filesWithSecret(home)).toEqual([join(home, ".docker/config.json")]);
  },
);

function filesWithSecret(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => FORMS.some((form) => readFileSync(path).includes(form)));
}
