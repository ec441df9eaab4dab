/** Projects in temporary directories, built through the library. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import { build } from "../../src/build/build.js";
import type { BuildRequest, BuildResult } from "../../src/build/request.js";
import { loadImage } from "../../src/image/image.js";
import { OpenLayers } from "../../src/image/layers.js";
import { pathOf, walkTree } from "../../src/layer/fileTree.js";
import { Store } from "../../src/store/store.js";
import type { NacreEvent } from "../../src/support/events.js";
import { readContent } from "../layer/helpers.js";

const made: string[] = [];

afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A fresh directory, removed after the test. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), "nacre-build-"));
  made.push(dir);
  return dir;
}

/** Files by path: a string is content, `{link}` a symlink, `{mode, content}` a file with that mode. */
export type Files = Readonly<
  Record<string, string | { readonly link: string } | { readonly mode: number; readonly content: string }>
>;

/** Writes files below a directory. */
export function put(dir: string, files: Files): void {
  for (const [path, file] of Object.entries(files)) {
    const full = join(dir, path);
    mkdirSync(dirname(full), { recursive: true });
    if (typeof file !== "string" && "link" in file) {
      rmSync(full, { force: true });
      symlinkSync(file.link, full);
      continue;
    }
    writeFileSync(full, typeof file === "string" ? file : file.content);
    chmodSync(full, typeof file === "string" ? 0o644 : file.mode);
  }
}

/** A build context and a store. */
export class Project {
  readonly dir = scratch();
  readonly store: string;
  readonly events: NacreEvent[] = [];

  constructor(files: Files = {}, store: string = join(scratch(), "store")) {
    this.store = store;
    put(this.dir, files);
  }

  put(files: Files): void {
    put(this.dir, files);
  }

  /** Builds a Dockerfile given as text. */
  build(dockerfile: string, request: Partial<BuildRequest> = {}): Promise<BuildResult> {
    this.events.length = 0;
    return build({
      context: this.dir,
      dockerfile: { kind: "text", text: dockerfile, name: "Dockerfile" },
      store: this.store,
      emit: (event) => this.events.push(event),
      ...request,
    });
  }

  /** Everything in a built image: `path type mode content`, one line each. */
  async files(result: BuildResult): Promise<string[]> {
    const store = await Store.open(this.store);
    const open = new OpenLayers(store);
    try {
      const tree = await open.tree(loadImage(store, result.descriptor).layers);
      await tree.prepare([tree.root]);
      const lines: string[] = [];
      walkTree(tree, tree.root, (node) => {
        const content = node.type === "file" ? ` ${readContent(tree.open(node))}` : "";
        if (node !== tree.root) lines.push(`${pathOf(node)} ${node.type} ${node.mode.toString(8)}${content}`);
        return true;
      });
      return lines;
    } finally {
      open.close();
      await store.close();
    }
  }
}

/** `COPY a /b: cached` and the like, one line a step, in the order of the Dockerfile. */
export function outcomes(result: BuildResult): string[] {
  return [...result.steps]
    .sort((a, b) => numberOf(a.label) - numberOf(b.label))
    .map(({ label, outcome }) => `${label.replace(/^\[.*?\] /, "")}: ${outcome}`);
}

function numberOf(label: string): number {
  return Number(/(\d+)\/\d+\]/.exec(label)?.[1] ?? 0);
}

/** The diffIDs of the layers that the steps made. */
export function layersOf(result: BuildResult): (string | undefined)[] {
  return result.steps.map(({ layer }) => layer?.diffId);
}
