import { expect, test } from "vitest";
import { asOciLayer } from "../../src/oci/mediaTypes.js";

const oci = "application/vnd.oci.image.layer";
const docker = "application/vnd.docker.image.rootfs";

test.each([
  [`${docker}.diff.tar`, `${oci}.v1.tar`],
  [`${docker}.diff.tar.gzip`, `${oci}.v1.tar+gzip`],
  [`${docker}.foreign.diff.tar.gzip`, `${oci}.v1.tar+gzip`],
  [`${oci}.nondistributable.v1.tar`, `${oci}.v1.tar`],
  [`${oci}.nondistributable.v1.tar+gzip`, `${oci}.v1.tar+gzip`],
  [`${oci}.v1.tar+zstd`, `${oci}.v1.tar+zstd`],
  ["application/vnd.in-toto+json", "application/vnd.in-toto+json"],
])("a layer of type %s stands in a manifest as %s", (theirs, ours) => {
  expect(asOciLayer(theirs)).toBe(ours);
});
