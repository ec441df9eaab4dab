/**
 * Real Dockerfiles, most of several stages, in the manner of the official images: each folder of testdata/real is built
 * by nacre and by Docker from the same context and the same Debian, and config, history and all files are compared.
 *
 * Needs docker (NACRE_DOCKER: a command that stands for it), a Debian root (NACRE_SOAK_ROOTFS: a ready tar; else root and
 * debootstrap), and the network. NACRE_SCRATCH is a folder that Docker's daemon sees too (default: the system's temporary
 * one). If NODE_EXTRA_CA_CERTS names certificates, the Dockerfiles get them as the secret `ca`.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Oracle } from "../conformance/oracle.js";
import { type Ended, run, runNacre } from "../setup/nacre.js";
import { findTool, requireTool } from "../setup/tools.js";
import { debianRoot, hasDebianRoot } from "./debianRoot.js";
import { comparableFiles } from "./varying.js";

const corpus = fileURLToPath(new URL("../../testdata/real", import.meta.url));
const names = readdirSync(corpus).sort();
const dockerCommand = (process.env.NACRE_DOCKER ?? findTool("docker") ?? "").split(/\s+/).filter(Boolean);

/** A name of the test's own, so that an image of that name in the user's Docker stays what it is. */
const BASE = "nacre-soak/debian:bookworm";

describe.skipIf(!hasDebianRoot || dockerCommand.length === 0)("real Dockerfiles", () => {
  const scratch = mkdtempSync(join(process.env.NACRE_SCRATCH ?? tmpdir(), "nacre-real-"));
  const home = join(scratch, "store");
  const oracle = new Oracle(requireTool("python3"));
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  const shared = ["--progress=plain", "--build-context", `debian:bookworm=docker-image://${BASE}`];

  const nacre = (...args: string[]) => succeed(runNacre(home, args));
  const docker = (...args: string[]) => succeed(run([...dockerCommand, ...args], { cwd: scratch }));

  beforeAll(async () => {
    if (authorities) {
      cpSync(authorities, join(scratch, "ca.pem"), { dereference: true });
      shared.push("--secret", `id=ca,src=${join(scratch, "ca.pem")}`);
    }
    const base = join(scratch, "base.tar");
    await nacre("load", "--rootfs", await debianRoot(scratch), "--tag", BASE);
    await nacre("save", "--format", "docker", "-o", base, BASE);
    await docker("load", "-i", base);
    rmSync(base);
  }, 15 * 60_000);

  afterAll(async () => {
    oracle.close();
    await run([...dockerCommand, "rmi", "-f", BASE], { cwd: scratch });
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Builds with Docker, everything anew, into an archive. */
  async function buildWithDocker(name: string, context: string): Promise<string> {
    const tag = `nacre-soak/${name}`;
    const archive = join(scratch, `${name}.docker.tar`);
    await docker("build", "--network=host", "--provenance=false", "--no-cache", ...shared, "-t", tag, context);
    await docker("save", "-o", archive, tag);
    await docker("rmi", "-f", tag);
    return archive;
  }

  for (const name of names) {
    it(`${name} is what Docker makes of it`, async () => {
      const context = join(scratch, name);
      const layout = join(scratch, `${name}.oci.tar`);
      cpSync(join(corpus, name), context, { recursive: true });
      const archive = await buildWithDocker(name, context);
      await nacre("build", ...shared, "-o", `type=oci,dest=${layout},compression=uncompressed`, context);
      const theirs = await oracle.read(archive);
      const ours = await oracle.read(layout);
      for (const file of [archive, layout]) rmSync(file);
      expect(ours.problems).toEqual([]);
      expect(ours.config).toEqual(theirs.config);
      expect(ours.history).toEqual(theirs.history);
      expect(comparableFiles(ours.fs!)).toEqual(comparableFiles(theirs.fs!));
    });

    it(`${name} is not built again when nothing changed`, async () => {
      const output = await nacre("build", ...shared, join(scratch, name));
      const steps = [...output.matchAll(/^#(\d+) \[.*\] (?:RUN|COPY|WORKDIR) .*$/gm)];
      const cached = new Set([...output.matchAll(/^#(\d+) CACHED$/gm)].map((match) => match[1]));
      expect(steps.length).toBeGreaterThan(0);
      expect(steps.filter((step) => !cached.has(step[1])).map((step) => step[0])).toEqual([]);
    });
  }

  it("leave a store in which everything is whole", async () => {
    await nacre("check");
  });
});

/** The output of a command that must succeed. */
async function succeed(running: Promise<Ended>): Promise<string> {
  const { code, output } = await running;
  expect(code, output).toBe(0);
  return output;
}
