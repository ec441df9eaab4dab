/** ADD from the network, and contexts that are elsewhere, as a build meets them: what is asked, what hits, what fails. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { sha256Hex } from "../../src/support/hash.js";
import { outcomes, Project, put, scratch } from "./helpers.js";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Serves the files of a directory; every file has an ETag. */
async function serve(dir: string): Promise<{ readonly origin: string; readonly seen: Seen[]; stop(): Promise<void> }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    seen.push({ method: request.method ?? "", url, headers: request.headers });
    try {
      const body = readFileSync(join(dir, decodeURIComponent(new URL(url, "http://x").pathname)));
      const etag = `"${sha256Hex(body)}"`;
      response.setHeader("etag", etag);
      if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
      else response.writeHead(200, { "content-length": body.length }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections());
  onTestFinished(() => (server.listening ? stop() : undefined));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, stop };
}

/** A repository with one commit, served by {@link serve} as `repo.git`. */
function repository(dir: string, files: Readonly<Record<string, string>>): void {
  const work = scratch();
  put(work, files);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=n", "-c", "user.email=n@example.org", ...args], {
      cwd: work,
      stdio: "pipe",
      env: { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "files");
  rmSync(join(dir, "repo.git"), { recursive: true, force: true });
  git("clone", "-q", "--bare", ".", join(dir, "repo.git"));
  execFileSync("git", ["update-server-info"], { cwd: join(dir, "repo.git") });
}

describe("ADD of a URL", () => {
  test("is cached by what is there now, and downloaded only if that is new", async () => {
    const dir = scratch();
    put(dir, { "f.txt": "one" });
    const { origin, seen } = await serve(dir);
    const project = new Project();
    const dockerfile = `FROM scratch\nADD ${origin}/f.txt /d/\nCOPY <<E /e\nhi\nE\n`;
    const first = await project.build(dockerfile);
    expect(await project.files(first)).toEqual(["d dir 755", "d/f.txt file 600 one", "e file 644 hi\n"]);
    expect(outcomes(await project.build(dockerfile)).map((line) => line.split(": ").at(-1))).toEqual([
      "cached",
      "cached",
    ]);
    expect(seen.map(({ headers }) => headers["if-none-match"] !== undefined)).toEqual([false, true]);
    put(dir, { "f.txt": "two" });
    const third = await project.build(dockerfile);
    expect(outcomes(third).map((line) => line.split(": ").at(-1))).toEqual(["done", "done"]);
    expect(await project.files(third)).toContain("d/f.txt file 600 two");
  });

  test("hits for the same content at another address with the same name", async () => {
    const dir = scratch();
    put(dir, { "a/f": "x", "b/f": "x", "b/g": "x" });
    const { origin } = await serve(dir);
    const project = new Project();
    await project.build(`FROM scratch\nADD ${origin}/a/f /d/\n`);
    expect(outcomes(await project.build(`FROM scratch\nADD ${origin}/b/f /d/\n`))[0]).toContain("cached");
    expect(outcomes(await project.build(`FROM scratch\nADD ${origin}/b/g /d/\n`))[0]).toContain("done");
  });

  test("with a checksum that is here does not ask the server, and works without it", async () => {
    const dir = scratch();
    put(dir, { f: "x" });
    const { origin, seen, stop } = await serve(dir);
    const project = new Project();
    const dockerfile = `FROM scratch\nADD --checksum=sha256:${sha256Hex(Buffer.from("x"))} ${origin}/f /f\n`;
    await project.build(dockerfile);
    const asked = seen.length;
    await project.build(dockerfile, { noCache: true });
    expect(seen).toHaveLength(asked);
    await stop();
    expect(await project.files(await project.build(dockerfile, { noCache: true }))).toEqual(["f file 600 x"]);
  });

  test("with a wrong checksum fails at its line, and leaves no image", async () => {
    const dir = scratch();
    put(dir, { f: "x" });
    const { origin } = await serve(dir);
    const wrong = "0".repeat(64);
    const work = new Project().build(`FROM scratch\nADD --checksum=sha256:${wrong} ${origin}/f /f\n`);
    await expect(work).rejects.toMatchObject({
      message: expect.stringContaining(`digest mismatch sha256:${sha256Hex(Buffer.from("x"))}: sha256:${wrong}`),
      place: { range: { start: { line: 2 } } },
    });
  });

  test("unpacks only if it is told to", async () => {
    const dir = scratch();
    put(dir, { "in/x": "X" });
    execFileSync("tar", ["-C", join(dir, "in"), "-czf", join(dir, "x.tgz"), "x"]);
    const { origin } = await serve(dir);
    const project = new Project();
    const kept = await project.files(await project.build(`FROM scratch\nADD ${origin}/x.tgz /d/\n`));
    expect(kept.map((line) => line.split(" ")[0])).toEqual(["d", "d/x.tgz"]);
    const unpacked = await project.build(`FROM scratch\nADD --unpack=true ${origin}/x.tgz /d/\n`);
    expect(await project.files(unpacked)).toEqual(["d dir 755", "d/x file 644 X"]);
  });

  test("sends the secret of its host, and tells it no one", async () => {
    const dir = scratch();
    put(dir, { f: "x", token: "canary-8c1f" });
    const { origin, seen } = await serve(dir);
    const project = new Project();
    const secrets = [`id=HTTP_AUTH_TOKEN_127.0.0.1,src=${join(dir, "token")}`];
    await project.build(`FROM scratch\nADD ${origin}/f /f\n`, { secrets });
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer canary-8c1f"]);
    expect(JSON.stringify(project.events)).not.toContain("canary");
    const found = execFileSync("sh", ["-c", 'grep -r canary "$1" || true', "sh", project.store], { encoding: "utf8" });
    expect(found).toBe("");
  });

  test("shows the password of an address neither in progress nor in the image", async () => {
    const dir = scratch();
    put(dir, { f: "x" });
    const { origin, seen } = await serve(dir);
    const project = new Project();
    const address = `${origin.replace("//", "//me:canary-91@")}/f`;
    const result = await project.build(`FROM scratch\nADD ${address} /f\n`);
    expect(seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:canary-91").toString("base64")}`);
    expect(JSON.stringify([project.events, result])).not.toContain("canary");
    const found = execFileSync("sh", ["-c", 'grep -r canary "$1" || true', "sh", project.store], { encoding: "utf8" });
    expect(found).toBe("");
  });

  test("offline does with what was fetched, and says so where nothing was", async () => {
    const dir = scratch();
    put(dir, { f: "x", g: "y" });
    const { origin, seen } = await serve(dir);
    const project = new Project();
    await project.build(`FROM scratch\nADD ${origin}/f /f\n`);
    const asked = seen.length;
    const offline = await project.build(`FROM scratch\nADD ${origin}/f /f\n`, { offline: true, noCache: true });
    expect(await project.files(offline)).toEqual(["f file 600 x"]);
    const failed = project.build(`FROM scratch\nADD ${origin}/g /g\n`, { offline: true });
    await expect(failed).rejects.toMatchObject({ message: expect.stringContaining("offline") });
    expect(seen).toHaveLength(asked);
  });

  test("that fails does not open the context", async () => {
    const dir = scratch();
    const { origin } = await serve(dir);
    const project = new Project();
    await expect(project.build(`FROM scratch\nADD ${origin}/f /f\n`)).rejects.toMatchObject({ code: "NETWORK" });
    expect(JSON.stringify(project.events)).not.toContain("load build context");
  });
});

describe("git", () => {
  test("ADD lays a tree out, and is cached by the commit", async () => {
    const dir = scratch();
    repository(dir, { a: "A", "sub/b": "B" });
    const { origin } = await serve(dir);
    const project = new Project();
    const dockerfile = `FROM scratch\nADD ${origin}/repo.git#main:sub /d/\n`;
    expect(await project.files(await project.build(dockerfile))).toEqual(["d dir 755", "d/b file 644 B"]);
    expect(outcomes(await project.build(dockerfile))[0]).toContain("cached");
    repository(dir, { a: "A", "sub/b": "changed" });
    expect(await project.files(await project.build(dockerfile))).toContain("d/b file 644 changed");
  });

  test("ADD with --exclude is another step than without", async () => {
    const dir = scratch();
    repository(dir, { a: "A", b: "B" });
    const { origin } = await serve(dir);
    const project = new Project();
    await project.build(`FROM scratch\nADD ${origin}/repo.git /d/\n`);
    const result = await project.build(`FROM scratch\nADD --exclude=b ${origin}/repo.git /d/\n`);
    expect(outcomes(result)[0]).toContain("done");
    expect(await project.files(result)).toEqual(["d dir 755", "d/a file 644 A"]);
  });

  test("is a context, with its Dockerfile and without its ignore file", async () => {
    const dir = scratch();
    repository(dir, {
      "app/Dockerfile": "FROM scratch\nCOPY . /x/\n",
      "app/.dockerignore": "f\n",
      "app/f": "F",
      g: "G",
    });
    const { origin } = await serve(dir);
    const project = new Project();
    const result = await project.build("", { context: `${origin}/repo.git#:app`, dockerfile: undefined });
    const paths = (await project.files(result)).map((line) => line.split(" ")[0]);
    expect(paths).toEqual(["x", "x/.dockerignore", "x/Dockerfile", "x/f"]);
  });

  test("is a named context, and tells the time of the image", async () => {
    const dir = scratch();
    repository(dir, { f: "F" });
    const { origin } = await serve(dir);
    const project = new Project();
    const result = await project.build("FROM scratch\nCOPY --from=src f /f\n", {
      buildContexts: { src: `${origin}/repo.git` },
      buildArgs: { SOURCE_DATE_EPOCH: "src" },
    });
    expect(await project.files(result)).toEqual(["f file 644 F"]);
    const committed = execFileSync("git", ["log", "-1", "--format=%ct", "main"], {
      cwd: join(dir, "repo.git"),
      encoding: "utf8",
    });
    const blob = readFileSync(join(project.store, "blobs/sha256", result.configDigest.slice(7)), "utf8");
    expect(Date.parse(JSON.parse(blob).created) / 1000).toBe(Number(committed));
  });

  test("that asks for two things at once is refused at its word, before anything is fetched", async () => {
    const dir = scratch();
    const { origin, seen } = await serve(dir);
    const work = new Project().build(`FROM scratch\nADD ${origin}/repo.git?ref=a#b /d/\n`);
    await expect(work).rejects.toMatchObject({
      message: expect.stringContaining("ref conflicts"),
      place: { range: { start: { line: 2, column: 4 } } },
    });
    expect(seen).toEqual([]);
  });
});

describe("a URL as context", () => {
  test("is the archive that lies there", async () => {
    const dir = scratch();
    put(dir, { "c/Dockerfile": "FROM scratch\nCOPY f /\n", "c/f": "F" });
    execFileSync("tar", ["-C", join(dir, "c"), "-czf", join(dir, "c.tgz"), "."]);
    const { origin } = await serve(dir);
    const project = new Project();
    const request = { context: `${origin}/c.tgz`, dockerfile: undefined };
    expect(await project.files(await project.build("", request))).toEqual(["f file 644 F"]);
    expect(outcomes(await project.build("", request))[0]).toContain("cached");
  });

  test("is a Dockerfile alone, which is then all that the context holds", async () => {
    const dir = scratch();
    put(dir, { D: "FROM scratch\nCOPY . /x/\n" });
    const { origin } = await serve(dir);
    const project = new Project();
    const result = await project.build("", { context: `${origin}/D`, dockerfile: undefined });
    expect((await project.files(result)).map((line) => line.slice(0, 22))).toEqual([
      "x dir 755",
      "x/context file 600 FRO",
    ]);
  });

  test("takes a Dockerfile of one's own", async () => {
    const dir = scratch();
    mkdirSync(join(dir, "c"));
    writeFileSync(join(dir, "c/f"), "F");
    execFileSync("tar", ["-C", join(dir, "c"), "-cf", join(dir, "c.tar"), "f"]);
    const { origin } = await serve(dir);
    const project = new Project();
    expect(
      await project.files(await project.build("FROM scratch\nADD f /g\n", { context: `${origin}/c.tar` })),
    ).toEqual(["g file 644 F"]);
  });
});

describe("a Dockerfile from the network", () => {
  test("builds a directory", async () => {
    const dir = scratch();
    put(dir, { D: "FROM scratch\nCOPY f /\n" });
    const { origin } = await serve(dir);
    const project = new Project({ f: "F" });
    const result = await project.build("", { dockerfile: { kind: "url", url: `${origin}/D` } });
    expect(await project.files(result)).toEqual(["f file 644 F"]);
  });
});
