import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What happened when a case was built: Docker's recorded result, or nacre's. */
export interface CaseResult {
  readonly outcome: "ok" | "fail";
  /** Docker's error line and the `FILE:LINE` it points to, if the build failed. */
  readonly error?: string;
  readonly place?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly author?: string;
  readonly history?: readonly Readonly<Record<string, unknown>>[];
  /** How many layers. */
  readonly layers?: number;
  /** The flattened root file system. */
  readonly fs?: readonly FileEntry[];
  /** For an image on the base `box`: the topmost paths of that base which it lacks. `fs` then holds only what differs. */
  readonly gone?: readonly string[];
  /** What is wrong with the image as such: digests that do not match, links to nothing. */
  readonly problems?: readonly string[];
}

/** One path of the flattened root file system, without its time unless the case asks for it. */
export interface FileEntry {
  readonly path: string;
  readonly [field: string]: unknown;
}

/** A case file, unpacked. */
export interface UnpackedCase {
  readonly name: string;
  /** Context and Dockerfile, as the command takes them; and the file for its standard input, if it gets one. */
  readonly inputs: readonly string[];
  readonly stdin: string | null;
  /** What `{http}` stands for, and is called in results. */
  readonly address: string | null;
  /** Paths whose times are compared. */
  readonly times: readonly string[];
  /** Options of the build command, as `docker build` spells them. */
  readonly options: readonly string[];
  readonly outcome: "ok" | "fail";
  /** True if the case stands on the base `box`. */
  readonly box: boolean;
  /** Texts that nacre's output must have. */
  readonly says: readonly string[];
  /** `FILE:LINE` that nacre's error must point to; else Docker's counts. */
  readonly place: string | null;
  /** `KIND, …: REASON` of an intended difference. */
  readonly differs: string | null;
}

/**
 * The Python side of the test: it unpacks cases and reads images with the code that recorded Docker's results.
 * Requests are answered in their order.
 */
export class Oracle {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve: (reply: unknown) => void; reject: (error: Error) => void }[] = [];
  #complaint = "";

  constructor(python: string) {
    const script = fileURLToPath(new URL("serve.py", import.meta.url));
    this.#child = spawn(python, ["-B", script], { stdio: "pipe" });
    this.#child.stderr.on("data", (chunk) => {
      this.#complaint += chunk;
    });
    this.#child.on("close", (code) => {
      for (const { reject } of this.#waiting) reject(new Error(`serve.py ended with ${code}: ${this.#complaint}`));
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { resolve, reject } = this.#waiting.shift()!;
      const reply = JSON.parse(line);
      if (typeof reply.error === "string" && Object.keys(reply).length === 1) reject(new Error(reply.error));
      else resolve(reply);
    });
  }

  /**
   * Makes the OCI layout with all base images.
   * @param layout folder to make
   * @param kept the layout that lies with the cases; `box` is added to it
   */
  async makeBases(layout: string, kept: string): Promise<void> {
    await this.#ask({ make: layout, from: kept });
  }

  /**
   * Unpacks a case file.
   * @param top folder to make; context and named contexts go there
   * @param base the OCI layout that `oci-layout://base:TAG` means
   */
  unpack(file: string, top: string, base: string): Promise<UnpackedCase> {
    return this.#ask({ unpack: file, top, base }) as Promise<UnpackedCase>;
  }

  /**
   * Reads an image: an OCI layout, as a directory or a tar.
   * @param of the case that made it, if one did
   * @param base the layout with the image `box`; if the case stands on that, what it has from there is left out
   */
  async read(path: string, of?: UnpackedCase, base?: string): Promise<CaseResult> {
    const request = { read: path, below: of?.box ? base : undefined, times: of?.times, address: of?.address };
    return { outcome: "ok", ...((await this.#ask(request)) as Omit<CaseResult, "outcome">) };
  }

  close(): void {
    this.#child.stdin.end();
  }

  #ask(request: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }
}
