/**
 * A real application on a real base: an example of the Fastify web framework, with its node_modules from the npm registry,
 * on a Debian with Node.js that debootstrap makes. Built by nacre, read by skopeo and umoci, and, where there is a Docker,
 * built by it from the same Dockerfile and compared, loaded and run.
 *
 * Needs root, debootstrap and the network. NACRE_SOAK_ROOTFS names a ready rootfs.tar; NACRE_DOCKER a command that
 * stands for docker; NACRE_SCRATCH a folder that Docker's daemon sees too (default: the system's temporary one).
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Oracle } from "../conformance/oracle.js";
import { run, runNacre } from "../setup/nacre.js";
import { findTool, requireTool } from "../setup/tools.js";

const givenRootfs = process.env.NACRE_SOAK_ROOTFS;
const canMakeRootfs = process.getuid?.() === 0 && findTool("debootstrap") !== undefined;
const dockerCommand = (process.env.NACRE_DOCKER ?? findTool("docker") ?? "").split(/\s+/).filter(Boolean);

const BASE = "debian:stand-in";
const APP = "nacre-soak-app:1";
/** Debian's id of the user and group www-data. */
const WWW_DATA = 33;

const dockerfile = `FROM ${BASE} AS app
WORKDIR /app
COPY package.json package-lock.json ./
COPY node_modules ./node_modules/
COPY --chmod=0644 *.js ./

FROM ${BASE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="Fastify's example" org.opencontainers.image.version=$VERSION
ENV NODE_ENV=production \\
    PORT=3000
COPY --from=app --chown=www-data:www-data /app /srv/app
COPY --chmod=0755 <<"start" /usr/local/bin/
#!/bin/sh
exec node "$@"
start
ADD --chown=www-data assets.tar.gz /srv/app/public
WORKDIR /srv/app
EXPOSE $PORT
USER www-data
HEALTHCHECK --interval=10s CMD ["start", "-e", "fetch('http://localhost:3000')"]
ENTRYPOINT ["start"]
CMD ["server.js"]
`;

describe.skipIf(!givenRootfs && !canMakeRootfs)("a Fastify application on Debian", () => {
  const scratch = mkdtempSync(join(process.env.NACRE_SCRATCH ?? tmpdir(), "nacre-soak-"));
  const context = join(scratch, "context");
  const home = join(scratch, "store");
  const oracle = new Oracle(requireTool("python3"));
  const archive = join(scratch, "app.docker.tar");
  const at = (name: string) => join(scratch, name);

  const nacre = (...args: string[]) => succeed(runNacre(home, args));
  const docker = (...args: string[]) => succeed(run([...dockerCommand, ...args], { cwd: scratch }));
  const build = (...more: string[]) =>
    nacre("build", "--progress=plain", "-t", APP, "--build-arg", "VERSION=1", "--iidfile", at("iid"), ...more, context);

  beforeAll(async () => {
    await makeContext(context);
    const rootfs = givenRootfs ?? (await makeRootfs(scratch));
    await nacre("load", "--rootfs", rootfs, "--tag", BASE);
  }, 15 * 60_000);

  afterAll(() => {
    oracle.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  it("is built into archives that skopeo and umoci accept", async () => {
    await build("-o", `type=oci,dest=${at("layout")},tar=false`, "-o", `type=docker,dest=${archive}`);
    const inspected = await succeed(run([requireTool("skopeo"), "inspect", "--config", `docker-archive:${archive}`]));
    expect(JSON.parse(inspected).config).toMatchObject({
      User: "www-data",
      WorkingDir: "/srv/app",
      Cmd: ["server.js"],
    });
    await succeed(run([requireTool("umoci"), "stat", "--image", `${at("layout")}:1`]));
    const image = await oracle.read(at("layout"));
    expect(image.problems).toEqual([]);
    const modules = image.fs!.filter((entry) => entry.path.startsWith("srv/app/node_modules/"));
    expect(modules.length).toBeGreaterThan(500);
    expect(modules.every((entry) => entry.uid === WWW_DATA && entry.gid === WWW_DATA)).toBe(true);
  });

  it("is not built again when nothing changed", async () => {
    await build();
    const before = readFileSync(at("iid"), "utf8");
    const output = await build();
    expect(readFileSync(at("iid"), "utf8")).toBe(before);
    const steps = [...output.matchAll(/^#(\d+) \[.*\] (?:COPY|ADD|WORKDIR) .*$/gm)];
    const cached = [...output.matchAll(/^#(\d+) CACHED$/gm)].map((match) => match[1]);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.filter((step) => !cached.includes(step[1])).map((step) => step[0])).toEqual([]);
  });

  it.skipIf(dockerCommand.length === 0)("is what Docker builds from the same Dockerfile", async () => {
    await nacre("save", "--format", "docker", "-o", at("base.tar"), BASE);
    await docker("load", "-i", at("base.tar"));
    await docker("build", "-q", "--no-cache", "--provenance=false", "--build-arg", "VERSION=1", "-t", APP, context);
    await docker("save", "-o", at("docker.tar"), APP);
    const theirs = await oracle.read(at("docker.tar"));
    const ours = await oracle.read(at("layout"));
    expect(ours.config).toEqual(theirs.config);
    expect(ours.history).toEqual(theirs.history);
    expect(byPath(ours.fs!)).toEqual(byPath(theirs.fs!));
  });

  it.skipIf(dockerCommand.length === 0)("answers requests when Docker runs it", async () => {
    await docker("rmi", "-f", APP);
    await docker("load", "-i", archive);
    const script = "require('./app.js').inject('/').then((reply) => console.log(reply.statusCode, reply.payload))";
    const output = await docker("run", "--rm", "--network=host", APP, "-e", script);
    expect(output).toContain('200 {"hello":"world"}');
    await docker("rmi", "-f", APP, BASE);
  });

  it("leaves a store in which everything is whole", async () => {
    await nacre("check");
  });
});

/** The example, changed only in where it finds the framework, and so that it can be asked without listening. */
async function makeContext(context: string): Promise<void> {
  mkdirSync(join(context, "assets"), { recursive: true });
  writeFileSync(join(context, "Dockerfile"), dockerfile);
  writeFileSync(join(context, ".dockerignore"), "**/*.md\n**/test\nassets\nnode_modules/.cache\n");
  writeFileSync(join(context, "package.json"), '{ "name": "example", "version": "1.0.0", "private": true }\n');
  await succeed(run(["npm", "install", "--silent", "--ignore-scripts", "fastify@latest"], { cwd: context }));
  const example = readFileSync(join(context, "node_modules/fastify/examples/simple.js"), "utf8");
  const [setUp = "", listen = ""] = example.replace("'../fastify'", "'fastify'").split(/^(?=fastify\.listen)/m);
  writeFileSync(join(context, "app.js"), `${setUp}module.exports = fastify\n`);
  writeFileSync(join(context, "server.js"), `const fastify = require('./app.js')\n${listen}`);
  copyFileSync(join(context, "node_modules/fastify/LICENSE"), join(context, "assets/LICENSE"));
  await succeed(run([requireTool("tar"), "-C", join(context, "assets"), "-czf", join(context, "assets.tar.gz"), "."]));
}

/** A Debian with Node.js as a tar, as its base images are made. */
async function makeRootfs(scratch: string): Promise<string> {
  const folder = join(scratch, "rootfs");
  const tar = join(scratch, "rootfs.tar");
  await succeed(run([requireTool("debootstrap"), "--variant=minbase", "--include=nodejs", "trixie", folder]));
  for (const garbage of ["var/cache/apt", "var/lib/apt/lists", "dev", "proc", "sys"]) {
    rmSync(join(folder, garbage), { recursive: true, force: true });
    mkdirSync(join(folder, garbage));
  }
  await succeed(run([requireTool("tar"), "-C", folder, "--numeric-owner", "--xattrs", "-cf", tar, "."]));
  rmSync(folder, { recursive: true, force: true });
  if (!existsSync(tar)) throw new Error("debootstrap left nothing");
  return tar;
}

/** The output of a command that must succeed. */
async function succeed(running: Promise<{ code: number | null; output: string }>): Promise<string> {
  const { code, output } = await running;
  expect(code, output).toBe(0);
  return output;
}

function byPath(entries: readonly { readonly path: string }[]): Record<string, unknown> {
  return Object.fromEntries(entries.filter((entry) => entry.path !== ".").map((entry) => [entry.path, entry]));
}
