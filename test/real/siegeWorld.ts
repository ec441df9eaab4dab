/** What a siege builds from: contexts, Dockerfiles, and the contents by which images are known again. */
import { copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireTool } from "../setup/tools.js";

/** The label, and the files in a layer, that say what an image was built with. */
export const LABEL = "siege";
/** Few, so that workers keep meeting over the same blobs and records. */
export const CONTENTS = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"] as const;
/** The image that Dockerfiles are based on; nobody removes it. */
export const BASE = "siege/base:1";
/** So big that it is synchronised later (DEFER_SYNC_FROM). */
const BIG = "c9";
const BIG_BYTES = 9 << 20;

/** The kinds of Dockerfile. */
export type Recipe = "copy" | "run" | "based" | "stages";

const DOCKERFILES: Readonly<Record<Recipe, (content: string, slot: number) => string>> = {
  copy: (content) => `FROM scratch
WORKDIR /work/${content}
COPY data /data
COPY content /content
LABEL ${LABEL}=${content}
`,
  run: (content, slot) => `FROM scratch
COPY bin /bin
RUN echo prepared > /prepared
COPY content /content
RUN --mount=type=cache,id=siege-${slot % 4},target=/cache cat /content > /copied; echo ${content} >> /cache/log
LABEL ${LABEL}=${content}
`,
  based: (content) => `FROM ${BASE}
WORKDIR /work
COPY content /content
RUN cat /content > /copied
LABEL ${LABEL}=${content}
`,
  stages: (content) => `FROM ${BASE} AS one
COPY --chmod=600 content /content
FROM ${BASE} AS two
RUN cat /bin/sh > /two
FROM scratch
COPY --from=one /content /content
COPY --from=two /two /two
LABEL ${LABEL}=${content}
`,
};

/** The bytes of the file `content`. */
export function bytesOf(content: string): Buffer {
  const length = content === BIG ? BIG_BYTES : 1 + Number(content.slice(1)) * 30_000;
  return Buffer.alloc(length + content.length, `${content} `);
}

/** Makes the part of all contexts that never changes. */
export function makeShared(top: string): void {
  const bin = join(top, "shared", "bin");
  mkdirSync(bin, { recursive: true });
  copyFileSync(requireTool("busybox"), join(bin, "busybox"));
  for (const name of ["sh", "cat"]) symlinkSync("busybox", join(bin, name));
  for (const content of CONTENTS) writeFileSync(join(top, "shared", content), bytesOf(content));
}

/** Makes a context of a worker. */
export function makeContext(top: string, name: string): string {
  const context = join(top, "contexts", name);
  mkdirSync(join(context, "bin"), { recursive: true });
  mkdirSync(join(context, "data"));
  linkSync(join(top, "shared", "bin", "busybox"), join(context, "bin", "busybox"));
  for (const link of ["sh", "cat"]) symlinkSync("busybox", join(context, "bin", link));
  for (let i = 0; i < 20; i++) writeFileSync(join(context, "data", String(i)), `file ${i}\n`.repeat(i * 10));
  return context;
}

/** Changes a context to what is to be built next. */
export function changeContext(top: string, context: string, content: string, recipe: Recipe, slot: number): void {
  copyFileSync(join(top, "shared", content), join(context, "content"));
  writeFileSync(join(context, "data", "7"), `changed for ${content}\n`);
  writeFileSync(join(context, "Dockerfile"), DOCKERFILES[recipe](content, slot));
}

/** A Dockerfile for a base image; there are several, so that the name can be moved. */
export function baseDockerfile(number: number): string {
  return `FROM scratch
COPY bin /bin
COPY <<EOF /base
base ${number}
EOF
LABEL ${LABEL}=base
`;
}
