/** Flags of the commands that look into the files of an image. */
import type { OpenOptions, ViewChoice } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { type Command, Option } from "../commander.js";

/** Flags about which image and which of its layers. */
export interface ViewFlags {
  readonly platform?: string;
  readonly remote?: boolean;
  readonly layer?: string;
  readonly upTo?: string;
  readonly toc: "verified" | "any" | "never";
}

/** Adds the flags of the image. */
export function addImageFlags(command: Command): Command {
  return command
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .option("--remote", "take the name for one in a registry, whatever the store has")
    .addOption(
      new Option(
        "--toc <which>",
        "tables of contents of remote layers to believe: those the manifest vouches for, any, or never",
      )
        .choices(["verified", "any", "never"])
        .default("verified"),
    );
}

/** Adds the flags of the layers. */
export function addLayerFlags(command: Command): Command {
  return command
    .option("--layer <layer>", "only what this layer has: its number from 0, or the beginning of its digest")
    .addOption(new Option("--up-to <layer>", "with the layers up to this one").conflicts("layer"));
}

/** How the image is opened. */
export function openOptions({ platform, remote, toc }: ViewFlags): OpenOptions {
  return { platform: platform === undefined ? undefined : parsePlatform(platform), remote, toc };
}

/** Which of its layers count. */
export function viewChoice({ layer, upTo }: ViewFlags): ViewChoice {
  return { layer, upTo };
}
