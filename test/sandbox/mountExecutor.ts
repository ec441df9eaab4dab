/** The simplest executor that can be: mount(8) for every mount of a plan, one after the other, then chroot(1). For root only. */
import { spawn } from "node:child_process";
import type { Executor } from "../../src/sandbox/executor.js";
import type { PlannedMount, RootPlan } from "../../src/sandbox/rootPlan.js";

/** Device nodes are made in /dev as it is mounted; no secrets, no limits, no user but root. */
export const mountExecutor: Executor = {
  level: "namespaces",
  execute: (plan, io, { args, signal }) =>
    new Promise((resolve, reject) => {
      const { env, cwd } = plan.process;
      const command = [
        "env",
        "-i",
        ...env,
        "sh",
        "-c",
        'cd "$1"; shift; exec "$@"',
        "sh",
        cwd,
        ...(args ?? plan.process.args),
      ];
      const script = Buffer.from(`${scriptOf(plan)}exec chroot merged "$@"`, "latin1");
      const child = spawn(
        "unshare",
        ["-m", "-p", "-f", "--kill-child", "sh", "-euc", 'eval "$(cat <&3)"', "sh", ...command],
        {
          cwd: plan.dir,
          env: { PATH: process.env.PATH, LIBMOUNT_FORCE_MOUNT2: "always" },
          stdio: ["ignore", "pipe", "pipe", "pipe"],
          signal,
        },
      );
      // A shell that is killed leaves the script unread: how it ended is what counts.
      for (const stream of child.stdio) stream?.on("error", () => {});
      (child.stdio[3] as NodeJS.WritableStream).end(script);
      for (const stream of [child.stdout!, child.stderr!])
        stream.on("data", (chunk) => io.kind === "log" && io.onOutput(chunk));
      child.once("error", reject);
      child.once("close", (code) => resolve({ kind: "code", code: code ?? -1 }));
    }),
};

function scriptOf(plan: RootPlan): string {
  const helpers = plan.mounts.filter(({ base }) => base === "step");
  const lines = helpers.map(({ overlay, target, options }) => overlayLine(overlay!.lower, overlay!, target, options));
  lines.push(overlayLine(plan.lower, { upper: "upper", work: "work" }, "merged", []));
  for (const mount of plan.mounts) if (mount.base !== "step") lines.push(...mountLines(mount));
  if (plan.makeCwd !== undefined) lines.push(`mkdir -p ${quote(`merged/${plan.makeCwd}`)}`);
  for (const name of ["null", "zero"])
    lines.push(`touch merged/dev/${name}; mount --bind /dev/${name} merged/dev/${name}`);
  return `${lines.join("\n")}\n`;
}

function overlayLine(
  lower: readonly string[],
  { upper, work }: { readonly upper: string | undefined; readonly work: string | undefined },
  target: string,
  options: readonly string[],
): string {
  const upperOptions = upper === undefined ? [] : [`upperdir=${upper}`, `workdir=${work}`];
  const all = [
    ...options,
    `lowerdir=${lower.join(":")}`,
    ...upperOptions,
    "redirect_dir=nofollow",
    "metacopy=off",
    "index=off",
  ];
  return `mount -t overlay -o ${quote(all.join())} overlay ${quote(target)}`;
}

function mountLines({ source, target, type, options, makeTarget }: PlannedMount): string[] {
  const at = quote(`merged/${target}`);
  const made = { dir: `mkdir -p ${at}`, file: `mkdir -p "$(dirname ${at})"; touch ${at}` };
  const how =
    type === "bind" ? `--bind -o ${quote(["rw", ...options].join())}` : `-t ${type} -o ${quote(options.join())}`;
  return [...(makeTarget ? [made[makeTarget]] : []), `mount ${how} ${quote(source)} ${at}`];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
