/** Images and steps that put symlinks, files and pipes where a step's mounts go: nothing of the machine is ever touched. */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dir, file, header, layer, symlink } from "./layers.js";
import { cannotRun, LEVELS, lines, RunWorld } from "./runWorld.js";
import { makeProbe, type Probe } from "./world.js";

const fifo = (name: string) => header({ name, flag: "6" });

/** What may lie where a mount goes. */
const PLANTED: readonly (readonly [string, (path: string, probe: string) => Buffer])[] = [
  ["an absolute symlink", (path, probe) => symlink(path, probe)],
  ["a relative symlink", (path, probe) => symlink(path, `../../../../../..${probe}`)],
  ["a symlink to a file", (path, probe) => symlink(path, `${probe}/f`)],
  ["a dangling symlink", (path) => symlink(path, "/no/where/at/all")],
  ["a symlink to itself", (path) => symlink(path, path.slice(path.lastIndexOf("/") + 1))],
  ["a symlink through a process", (path) => symlink(path, "/proc/self/root/etc")],
  ["a file", (path) => file(path, "hello")],
  ["a pipe", fifo],
];

const PLACES = ["dev", "proc", "sys", "dev/null", "dev/pts", "dev/shm", "etc", "etc/hosts", "etc/resolv.conf"];
const OF_MOUNTS = ["run", "run/secrets", "run/secrets/s", "mnt", "mnt/a", "mnt/a/b", "tmp"];

/** A step with every kind of mount, which writes wherever it can. */
const STEP = [
  "RUN --mount=type=secret,id=s --mount=type=cache,target=/mnt/a --mount=type=tmpfs,target=/mnt/a/b",
  "--mount=type=tmpfs,target=/tmp/t --mount=type=bind,from=box:1,source=/bin,target=/mnt/bind,rw --network=none",
  "for f in /dev/null /dev/shm/x /etc/hosts /etc/resolv.conf /run/secrets/s /mnt/a/x /mnt/a/b/x /tmp/t/x /mnt/bind/x;",
  "do (echo written >$f) 2>/dev/null; done; true\n",
].join(" ");

describe.skipIf(cannotRun)("where an image has something else than a step needs", () => {
  const world = new RunWorld();
  let probe: Probe;
  const args: string[] = [];
  beforeAll(async () => {
    await world.load();
    probe = makeProbe();
    args.push("--no-cache", "--secret", `id=s,src=${probe.path}/f`);
  });
  afterAll(() => world.expectSound());

  /** Everything that is planted in one image after the other. */
  async function tryAll(places: readonly string[], level: string, planted = PLANTED): Promise<string[]> {
    const outcomes: string[] = [];
    for (const place of places) {
      for (const [what, plant] of planted) {
        const parents = place.split("/").slice(0, -1);
        const above = parents.map((_, i) => dir(parents.slice(0, i + 1).join("/")));
        fs.writeFileSync(join(world.context, "planted.tar"), layer(...above, plant(place, probe.path)));
        const { code, text } = await world.build(`FROM box:1\nADD planted.tar /\n${STEP}`, { level, args });
        probe.expectUntouched();
        outcomes.push(`${place}: ${what}: ${code === 0 ? "built" : /^ERROR: (.*)$/m.exec(text)?.[1]}`);
      }
    }
    return outcomes;
  }

  test.each(LEVELS)("in its system directories, it is refused or stays inside the root (%s)", async (level) => {
    const kinds = level === "namespaces" ? [0, 3, 4, 5, 6, 7] : [0, 6];
    const planted = PLANTED.filter((_, i) => kinds.includes(i));
    for (const outcome of await tryAll(PLACES, level, planted)) {
      // Symlinks that end inside the root are followed, as runc does; nothing else has a way to be meant.
      expect(outcome).toMatch(
        /: built$|of the image is a|too many levels|not a directory|is to be mounted where|cannot mount/,
      );
      if (/^(dev|proc|sys): /.test(outcome)) expect(outcome).toMatch(/of the image is a (symlink|file|special file)/);
    }
  });

  test("in the targets of its mounts, it is refused or stays inside the root", async () => {
    for (const outcome of await tryAll(
      OF_MOUNTS,
      "namespaces",
      PLANTED.filter((_, i) => [1, 2, 4, 7].includes(i)),
    )) {
      expect(outcome).toMatch(/: built$|too many levels|not a directory|is to be mounted where|cannot mount/);
    }
  });
});

describe.skipIf(cannotRun)("a step that puts a symlink where its mounts are", () => {
  const world = new RunWorld();
  beforeAll(() => world.load());
  afterAll(() => world.expectSound());

  test.each(LEVELS)("changes nothing on the machine, and its mounts leave nothing in the layer (%s)", async (level) => {
    const probe = makeProbe();
    const H = probe.path;
    const replace = lines(
      `for p in /a/b /a /etc/hosts /etc/resolv.conf /dev/null /dev/shm /dev /proc /sys /run/secrets/s /run/secrets /run /tmp/c /tmp; do rm -rf $p 2>/dev/null; ln -sfn ${H} $p 2>/dev/null; done`,
      `mv /etc /etc.old 2>/dev/null; ln -s ${H} /etc 2>/dev/null; mv /a /moved 2>/dev/null; ln -s ${H} /a 2>/dev/null`,
      "true",
    );
    const mounts =
      "--mount=type=tmpfs,target=/a/b/c --mount=type=secret,id=s --mount=type=cache,target=/tmp/c --mount=type=bind,from=box:1,source=/bin,target=/a/bind,rw";
    const output = await world
      .run(
        // The second step has its mounts where the first one left symlinks.
        `FROM box:1\nRUN ${mounts} ${replace}\nRUN ${mounts} echo x >/a/b/c/x; echo x >/tmp/c/x; echo x >/a/bind/x; echo second\nRUN find / -xdev | grep -E 'secrets/s|/c/x|bind/x'; echo third\n`,
        { level, args: ["--no-cache", "--secret", `id=s,src=${H}/f`] },
      )
      .catch((error: Error) => [error.message]);
    probe.expectUntouched();
    await world.expectNothingLeft();
    // Either all went well, or a later step was told that its mount has no place any more.
    expect(output.join("\n")).toMatch(/third|cannot mount|too many levels|not a directory|leads through/);
    expect(output.join("\n")).not.toMatch(/secrets\/s$|c\/x$|bind\/x$/m);
  });

  test.each(LEVELS)("can replace the parent of a mount point, and only the layer knows of it (%s)", async (level) => {
    const probe = makeProbe();
    const output = await world.run(
      [
        "FROM box:1",
        "RUN mkdir -p /srv/data && echo kept >/srv/data/kept",
        `RUN --mount=type=tmpfs,target=/srv/data/made cp -a /srv/data/kept /tmp/; rm -rf /srv/data /srv 2>/dev/null; mv /srv/data /srv/old 2>/dev/null; ln -s ${probe.path} /srv/link`,
        `RUN --mount=type=cache,target=/srv/link/sub echo hidden >/srv/link/sub/new; ls ${probe.path}/sub`,
        `RUN ls -a ${probe.path}; readlink /srv/link`,
        "",
      ].join("\n"),
      { level, args: ["--no-cache"] },
    );
    probe.expectUntouched();
    // The path of the probe means a place inside the root: the mount point was there, and is gone with its parents.
    expect(output).toContain("new");
    expect(output.at(-1)).toBe(probe.path);
  });
});
