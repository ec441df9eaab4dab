/**
 * What nacre, as built in dist/, chooses and does in the world in which this script is started (see worlds.ts).
 * Arguments: JSON of `{ store, isolation, findings?, path?, rootfs?, args?, tmpfs? }`. Prints JSON.
 */
const load = (/** @type {string} */ name) => import(new URL(`../../dist/${name}`, import.meta.url).href);
const { Store } = await load("store/store.js");
const { chooseSandbox, openSandbox } = await load("sandbox/sandbox.js");
const { detectIsolation, findingOf, LEVELS } = await load("sandbox/detect.js");

const wanted = JSON.parse(process.argv[2] ?? "{}");
const store = await Store.open(wanted.store);
const result = {};
try {
  if (wanted.findings) {
    const detection = await detectIsolation({ store, path: wanted.path });
    result.findings = Object.fromEntries(
      LEVELS.map((/** @type {string} */ level) => [level, findingOf(level, detection)]),
    );
  }
  const { facts, ...choice } = await chooseSandbox({ store, isolation: wanted.isolation, path: wanted.path });
  result.choice = choice;
  if (wanted.rootfs) result.runs = await runAll(wanted.tmpfs ? onTmpfs({ ...choice, facts }) : { ...choice, facts });
} catch (error) {
  const { name, code, message, hint, stack } = /** @type {any} */ (error);
  result.error = { name, code, message, hint, stack };
} finally {
  await store.close();
}
console.log(JSON.stringify(result));

/** As if the store's disk could hold no upper directories. */
function onTmpfs(/** @type {any} */ choice) {
  const hand = { ...choice.hand, upper: { tmpfs: `${wanted.store}/upper` } };
  return { ...choice, hand, place: choice.rootless ? choice.place : { kind: "worker", ids: "own" } };
}

async function runAll(/** @type {any} */ choice) {
  const { importRootfs } = await load("archive/rootfs.js");
  const { loadImage } = await load("image/image.js");
  const platform = { os: "linux", architecture: "amd64" };
  const descriptor = await importRootfs(store, wanted.rootfs, { platform, created: "1970-01-01T00:00:00Z" });
  const { layers } = loadImage(store, descriptor);
  const sandbox = await openSandbox({ store, isolation: wanted.isolation, choice, warn: () => {} });
  const runs = [];
  try {
    const stack = [...layers];
    for (const args of wanted.args) {
      const done = await runOne(sandbox, stack, args);
      runs.push(done.shown);
      stack.push(done.layer);
    }
  } finally {
    await sandbox.close();
  }
  return runs;
}

async function runOne(/** @type {any} */ sandbox, /** @type {any[]} */ root, /** @type {string[]} */ args) {
  let output = "";
  const request = {
    ...{ root, args, script: undefined, env: ["PATH=/bin"], secretEnv: new Map(), cwd: "/", user: "", hostname: "box" },
    ...{ network: "host", insecure: false, hosts: [], shmSize: 1 << 20, limits: { ulimits: [] }, mounts: [], mtime: 0 },
  };
  const run = await sandbox.prepare(request, { warn: () => {} });
  try {
    const onOutput = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString();
    };
    const exit = await run.execute({ kind: "log", onOutput });
    const { diffId, size } = await run.collect();
    const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size };
    return { layer: { diffId, descriptor }, shown: { exit, output, diffId } };
  } finally {
    await run.release();
  }
}
