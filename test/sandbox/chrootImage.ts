/** The smallest image in which steps can do something: busybox and links to it. */
import * as fs from "node:fs";
import type { Member } from "../layer/helpers.js";
import { requireTool } from "../setup/tools.js";

const APPLETS =
  "sh cat ls id pwd env find stat touch mkdir mkfifo mknod rm mv cp ln chmod chown chgrp grep sleep setsid test true echo kill";

/** Members of a layer's tar. */
export function busyboxMembers(): Member[] {
  const content = fs.readFileSync(requireTool("busybox")).toString("latin1");
  const links = APPLETS.split(" ").map((name): Member => ({ path: `bin/${name}`, type: "symlink", link: "busybox" }));
  return [{ path: "bin/" }, { path: "bin/busybox", mode: 0o755, content }, ...links];
}
