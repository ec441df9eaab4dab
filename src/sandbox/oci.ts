/**
 * The isolation level `oci`: a planned root, carried out by crun or runc. In comes a RootPlan, out goes how the process
 * ended; the upper directory has what it changed. Everything that the runtime needs (bundle, secrets, state, log) lies
 * on a tmpfs that only this step sees, in namespaces that end with nacre, whatever becomes of the runtime.
 */
export { type OciRuntime, ociExecutor } from "./ociExecutor.js";
export { type OciProbe, probeOci } from "./ociProbe.js";
