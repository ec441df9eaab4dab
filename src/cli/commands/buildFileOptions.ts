/** The flags that say what is built, of `nacre build` and `nacre plan`. */
import type { Command } from "../commander.js";
import { collect } from "./options.js";

/** Declares the flags that say what is built. */
export function addFileOptions(command: Command): void {
  command
    .optionsGroup("Input:")
    .option("-f, --file <path>", "the Dockerfile (default: PATH/Dockerfile); - for standard input, or a URL")
    .option("--ignorefile <path>", "the ignore file (default: DOCKERFILE.dockerignore, else PATH/.dockerignore)")
    .option("--target <stage>", "the stage to build (default: the last one)")
    .option("--ignore-syntax", "take the file for a Dockerfile although # syntax= names another frontend")
    .option("--build-arg <name=value>", "set an ARG; NAME alone takes the value from the environment", collect)
    .option(
      "--build-context <name=source>",
      "a further context: a directory, oci-layout://DIR, docker-image://REF, target:STAGE, a git or http address",
      collect,
    )
    .option("--pull", "ask registries for base images even if the store has images of their names")
    .option("--lock", "write what base images' names stand for to nacre.lock")
    .option("--locked", "take base images as nacre.lock has them, and no others")
    .option("--lock-file <path>", "the lock file (default: PATH/nacre.lock)")
    .option("--offline", "ask nothing of the network: what was fetched before has to do")
    .option("--platform <os/arch>", "the platform of the image", collect);
}
