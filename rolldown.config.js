/**
 * The command as few files: what a build and a plan that find everything in the cache need is one of them, so that it is
 * read and linked at once; everything else stays apart and is loaded, and even parsed, only where it is used.
 */
const HOT = [
  "cli/(main|program|invocation|signals|failure|style|table|terminalText|commander|confirm|version|diskSpace|tools|housekeeping)\\.",
  "cli/progress/",
  "cli/commands/(build|buildRequest|buildEnvironment|buildFileOptions|buildOutput|callOptions|foreignFlags|options|runOptions)\\.",
  "cli/commands/(storeAccess|parseValues|plan|buildsText|withProgress|failedRun)\\.",
  "build/(?!runMounts|secrets|missingSource|near|sshAgents|foreignRuns|fetches|remote|registry|check(Fix|Plan)?\\.|safeFixes|samePlan)",
  "(cache|plan|dockerfile|support|oci|image)/",
  "store/(?!check|cacheMounts|prune|usage)",
  "context/(?!git|download|archive)",
  "layer/(fileTree|layerIndex)\\.",
  "sandbox/(detect|hand)",
];

export default {
  input: "dist/cli/main.js",
  platform: "node",
  output: {
    format: "esm",
    minify: true,
    dir: "dist/bundle",
    codeSplitting: {
      groups: [{ name: "build", test: new RegExp(`/dist/(${HOT.join("|")})|node_modules/(valibot|commander)/`) }],
    },
  },
};
