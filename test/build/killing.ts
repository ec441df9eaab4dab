/** Killing builds at random moments, and looking for what they leave behind. */
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { requireTool } from "../setup/tools.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

/** Steps of all kinds: files, removals, processes in the background, another user, a cache, a secret, two stages at once. */
const DOCKERFILE = `FROM scratch AS base
COPY bin /bin
COPY <<passwd /etc/passwd
root:x:0:0::/root:/bin/sh
app:x:1000:1000::/:/bin/sh
passwd
ARG ROUND
RUN mkdir -m 1777 /out && for i in 0 1 2 3 4 5 6 7 8 9; do head -c 100000 /dev/zero > /out/$i; done
FROM base AS left
USER app
RUN (while :; do sleep 1; done) & (sleep 1000 &) ; sleep 0.1; echo left > /out/left
FROM base
RUN --mount=type=cache,target=/cache --mount=type=secret,id=s,env=S echo "$ROUND" >> /cache/rounds; rm /out/3; sleep 0.1
COPY data /data
RUN cp -r /data /copy && rm -r /out
COPY --from=left /out/left /left
`;

/** Makes a context to build. @returns its directory */
export function makeContext(top: string): string {
  const dir = join(top, "context");
  mkdirSync(join(dir, "bin"), { recursive: true });
  mkdirSync(join(dir, "data"));
  for (const name of ["sh", "mkdir", "head", "sleep", "rm", "cp"]) {
    copyFileSync(requireTool("busybox"), join(dir, "bin", name));
    chmodSync(join(dir, "bin", name), 0o755);
  }
  for (let i = 0; i < 200; i++) writeFileSync(join(dir, "data", String(i)), `file ${i}\n`.repeat(i));
  writeFileSync(join(dir, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(top, "secret"), "a secret that nobody may see");
  return dir;
}

/** Arguments of a build of that context which cannot be answered by the cache alone. */
export function buildArguments(top: string, round: number, level: string): string[] {
  return [
    ...["build", "--progress=plain", "--isolation", level, "--build-arg", `ROUND=${round}`, "-t", "killed:1"],
    ...["--secret", `id=s,src=${join(top, "secret")}`, join(top, "context")],
  ];
}

/**
 * Starts a build and kills it after a while.
 * @returns the exit code, or the signal that ended it
 */
export async function killBuild(
  store: string,
  args: readonly string[],
  signal: NodeJS.Signals,
  after: number,
): Promise<number | NodeJS.Signals | null> {
  const env = { ...process.env, NACRE_HOME: store, NO_COLOR: "1" };
  const child = spawn(process.execPath, [cli, ...args], { env, stdio: ["ignore", "ignore", "ignore"] });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once("close", (code, by) => resolve(code ?? by)),
  );
  await Promise.race([ended, sleep(after)]);
  child.kill(signal);
  return ended;
}

/** Mounts of this mount namespace below a directory. */
export function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(directory));
}

/** Processes that have to do with a directory: by their command line, root, or working directory. */
export function processesOf(directory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const facts = [commandOf(pid), linkOf(pid, "root"), linkOf(pid, "cwd")];
      return facts.some((fact) => fact.includes(directory)) ? [`${pid}: ${facts.join(" | ")}`] : [];
    });
}

/** Waits until nothing of a directory runs any more. @returns what still does after the time is over */
export async function settled(directory: string, milliseconds: number): Promise<string[]> {
  const until = Date.now() + milliseconds;
  for (;;) {
    const left = processesOf(directory);
    if (left.length === 0 || Date.now() > until) return left;
    await sleep(20);
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

function linkOf(pid: string, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}
