import { describe, expect, test } from "vitest";
import { findSecret } from "../../src/advice/secretValues.js";
import { advise, rules } from "./advise.js";

/** Put together here, so that no tool takes this file for one with secrets. */
const RANDOM = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA3";
const GITHUB = `ghp_${RANDOM}`;
const AWS = `AKIA${"Q3EG7ZTB5WXY2KLM"}`;
const KEY = ["-----BEGIN", "OPENSSH", "PRIVATE", "KEY-----\nabc\n"].join(" ");

describe("values that look like secrets", () => {
  test.each([
    ["an AWS access key", AWS],
    ["a GitHub token", `token ${GITHUB};`],
    ["an npm token", `npm_${RANDOM}`],
    ["a GitLab token", `glpat-${RANDOM.slice(0, 20)}`],
    ["a Google API key", `AIza${RANDOM.slice(0, 35)}`],
    ["a private key", KEY],
    ["a password in an address", "git clone https://me:hUnter22x@example.com/x.git"],
  ])("%s", (what, text) => {
    const found = findSecret(text);
    expect(found?.what).toBe(what);
    expect(found?.masked).not.toContain(RANDOM.slice(0, 10));
    expect(found?.masked).not.toContain("hUnter22x");
  });

  test.each([
    ["placeholders", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx AKIAIOSFODNN7EXAMPLE AKIAXXXXXXXXXXXXXXXX"],
    ["references", "https://user:${TOKEN}@example.com https://oauth2:$TOKEN@h/x http://user:<password>@h/"],
    [
      "digests and commits",
      "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 0123456789abcdef0123",
    ],
    ["other addresses", "https://example.com:8080/a@b git@github.com:me/x.git http://[::1]:80/ npm_config_registry=x"],
    ["public keys", "-----BEGIN PUBLIC KEY----- -----BEGIN CERTIFICATE-----"],
    ["words that begin alike", "sk-learn ghp_short AIzaX glpat- npm_package_version_something"],
  ])("but not %s", (_, text) => {
    expect(findSecret(text)).toBeUndefined();
  });
});

describe("secrets in a Dockerfile", () => {
  test("are found in every instruction, masked", async () => {
    const found = await advise(
      `FROM x\nENV TOKEN=${GITHUB}\nRUN curl -H "Authorization: ${GITHUB}" x\nLABEL k=${AWS}\n`,
    );
    expect(found.map(({ rule, place }) => `${place.range.start.line} ${rule}`)).toEqual([
      "2 SecretInDockerfile",
      "3 SecretInDockerfile",
      "4 SecretInDockerfile",
    ]);
    expect(found[0]!.detail).toBe(
      "ENV holds what looks like a GitHub token (ghp_****): it stays in the image's history",
    );
    expect(JSON.stringify(found.map(({ detail, fix }) => [detail, fix]))).not.toContain(RANDOM);
  });

  test("are found in heredocs and in build arguments that were given", async () => {
    expect(await rules(`FROM x\nCOPY <<EOF /k\n${KEY}EOF\n`)).toEqual(["2 SecretInDockerfile"]);
    const [found] = await advise("FROM x\nARG TOKEN\n", {}, { buildArgs: { TOKEN: GITHUB, OTHER: GITHUB } });
    expect(found?.detail).toMatch(/^--build-arg TOKEN looks like a GitHub token \(ghp_\*\*\*\*\)/);
  });
});

describe("files with secrets that a COPY takes along", () => {
  const RULE = "SecretInContextCopied";
  const secrets: readonly (readonly [name: string, content: string])[] = [
    ["id_ed25519", KEY],
    ["certs/server.key", KEY],
    [".env", `DEBUG=1\nDB_PASSWORD=hUnter22x\n`],
    [".env.production", `X=${GITHUB}\n`],
    [".npmrc", `//registry.npmjs.org/:_authToken=${RANDOM}\n`],
    [".netrc", "machine h login me password hUnter22x\n"],
    [".aws/credentials", `[default]\naws_secret_access_key = ${RANDOM}abcd\n`],
    [".docker/config.json", '{"auths":{"h":{"auth":"bWU6aHVudGVy"}}}'],
    ["gcp-service-account.json", `{"private_key": ${JSON.stringify(KEY.replace("OPENSSH ", ""))}}`],
  ];
  test.each(secrets)("%s", async (name, content) => {
    const found = await advise("FROM x\nCOPY . /app\n", { [name]: content, "src/a": "" });
    expect(found).toEqual([
      expect.objectContaining({ rule: RULE, detail: expect.stringContaining(`COPY takes ${name} (`) }),
    ]);
    expect(found[0]!.fix).toContain(`write into .dockerignore: ${name}`);
    expect(JSON.stringify(found[0]!.detail)).not.toContain("hUnter22x");
  });

  const harmless: readonly (readonly [what: string, name: string, content: string])[] = [
    ["settings without secrets", ".env", "PORT=80\nNODE_ENV=production\nAPI_KEY=\nTOKEN=${TOKEN}\nSECRET=changeme\n"],
    ["an example", ".env.example", "DB_PASSWORD=hUnter22x\n"],
    ["a token by reference", ".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nregistry=https://x\n"],
    ["a certificate", "ca.pem", "-----BEGIN CERTIFICATE-----\n"],
    ["a key of a test", "test/fixtures/server.key", KEY],
    ["a key of a package", "node_modules/x/test.pem", KEY],
    ["a translation", "en.key", "title=Hello\n"],
    ["any JSON", "config.json", '{"auth":{"kind":"none"}}'],
  ];
  test.each(harmless)("but not %s", async (_, name, content) => {
    expect(await rules("FROM x\nCOPY . /app\n", { [name]: content, "src/a": "" })).toEqual([]);
  });

  test("but not what is ignored, excluded, left behind in another stage, or not copied", async () => {
    const files = { "k.key": KEY, "src/a": "" };
    expect(await rules("FROM x\nCOPY . /app\n", { ...files, ".dockerignore": "*.key" })).toEqual([]);
    expect(await rules("FROM x\nCOPY --exclude=*.key . /app\n", files)).toEqual([]);
    expect(await rules("FROM x AS b\nCOPY . /app\nFROM x\nCOPY --from=b /app/src /src\n", files)).toEqual([]);
    expect(await rules("FROM x\nCOPY src /app\nRUN --mount=type=bind,target=/m true\n", files)).toEqual([]);
  });
});
