/** Rows about what an instruction says of the image, and about what a build is told. */
import { both, expecting, type Row } from "./rows.js";

const DATA = [
  ["LABEL", "LABEL a=1", "LABEL a=2"],
  ["EXPOSE", "EXPOSE 80", "EXPOSE 81"],
  ["CMD", 'CMD ["a"]', 'CMD ["b"]'],
  ["ENTRYPOINT", 'ENTRYPOINT ["a"]', 'ENTRYPOINT ["b"]'],
  ["HEALTHCHECK", "HEALTHCHECK CMD a", "HEALTHCHECK NONE"],
  ["STOPSIGNAL", "STOPSIGNAL 9", "STOPSIGNAL 15"],
  ["VOLUME", "VOLUME /a", "VOLUME /b"],
  ["ONBUILD", "ONBUILD RUN a", "ONBUILD RUN b"],
  ["MAINTAINER", "MAINTAINER a", "MAINTAINER b"],
] as const;

const data = DATA.map(
  ([name, before, after]): Row => ({ name, ...both(before, after), expected: expecting("cached", "cached") }),
);

const state: Row[] = [
  { name: "ENV, another value", ...both("ENV A=1", "ENV A=2"), expected: expecting("made", "cached") },
  { name: "ENV, a new variable", ...both("", "ENV A=1"), expected: expecting("made", "cached") },
  { name: "ENV, another order", ...both("ENV A=1 B=2", "ENV B=2 A=1"), expected: expecting("made", "cached") },
  {
    name: "ENV, the same value written otherwise",
    ...both("ENV A=1\nENV B=$A", "ENV A=1\nENV B=1"),
    expected: expecting("cached", "cached"),
  },
  { name: "ARG, another default", ...both("ARG A=1", "ARG A=2"), expected: expecting("made", "cached") },
  { name: "ARG, new and without a value", ...both("", "ARG A"), expected: expecting("cached", "cached") },
  { name: "USER", ...both("USER 0", "USER 7"), expected: expecting("made", "cached") },
  {
    name: "USER, the same one written otherwise",
    ...both("USER 0", "USER 0:0"),
    expected: expecting("made", "cached"),
  },
  {
    name: "WORKDIR",
    ...both("WORKDIR /a", "WORKDIR /b"),
    expected: expecting("made", "made"),
  },
  {
    name: "SHELL",
    ...both('SHELL ["/bin/sh", "-c"]', 'SHELL ["/bin/sh", "-ec"]'),
    expected: expecting("made", "cached"),
  },
  {
    name: "a comment, blank lines, and a keyword in small letters",
    ...both("ENV A=1", "# comment\n\nenv A=1\n\n"),
    expected: expecting("cached", "cached"),
  },
];

const told: Row[] = [
  {
    name: "build argument, declared and not mentioned",
    ...both("ARG A"),
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: expecting("made", "cached"),
  },
  {
    name: "build argument, given the value that is its default",
    ...both("ARG A=1"),
    flagsAfter: ["--build-arg", "A=1"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "build argument, declared further down",
    before: "FROM box\nRUN echo 1\nARG A\nRUN echo 2\n",
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: { "RUN echo 1": "cached", "RUN echo 2": "made" },
  },
  {
    name: "build argument, declared in another stage",
    before: "FROM box AS other\nARG A\nRUN echo 1\nFROM box\nCOPY --from=other /token /t\nRUN echo 2\n",
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: { "RUN echo 1": "made", "COPY --from": "cached", "RUN echo 2": "cached" },
  },
  {
    name: "build argument, declared before the first stage only",
    before: "FROM box\nRUN echo 1\n",
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: { "RUN echo 1": "cached" },
  },
  {
    name: "build argument, never declared",
    ...both(""),
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "build argument, in the text of a COPY",
    before: "FROM box\nARG A\nCOPY f $A\n",
    flagsBefore: ["--build-arg", "A=/1"],
    flagsAfter: ["--build-arg", "A=/2"],
    expected: { "COPY f": "made" },
  },
  {
    name: "build argument, overridden by ENV",
    ...both("ARG A\nENV A=3"),
    flagsBefore: ["--build-arg", "A=1"],
    flagsAfter: ["--build-arg", "A=2"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "proxy arguments",
    ...both(""),
    flagsBefore: ["--build-arg", "HTTP_PROXY=http://127.0.0.1:1", "--build-arg", "no_proxy=a"],
    flagsAfter: ["--build-arg", "HTTP_PROXY=http://127.0.0.1:2", "--build-arg", "ALL_PROXY=b"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "proxy arguments, declared",
    ...both("ARG HTTP_PROXY"),
    flagsBefore: ["--build-arg", "HTTP_PROXY=http://127.0.0.1:1"],
    flagsAfter: ["--build-arg", "HTTP_PROXY=http://127.0.0.1:2"],
    expected: expecting("made", "cached"),
  },
  {
    name: "SOURCE_DATE_EPOCH, not declared",
    ...both(""),
    flagsBefore: ["--build-arg", "SOURCE_DATE_EPOCH=1"],
    flagsAfter: ["--build-arg", "SOURCE_DATE_EPOCH=2"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "SOURCE_DATE_EPOCH, declared",
    ...both("ARG SOURCE_DATE_EPOCH"),
    flagsBefore: ["--build-arg", "SOURCE_DATE_EPOCH=1"],
    flagsAfter: ["--build-arg", "SOURCE_DATE_EPOCH=2"],
    expected: expecting("made", "cached"),
  },
  {
    name: "platform argument, declared",
    ...both("ARG TARGETARCH\nENV A=$TARGETARCH", "ARG TARGETARCH\nENV A=amd64"),
    expected: expecting("cached", "cached"),
  },
  {
    name: "--label and a name",
    ...both(""),
    flagsAfter: ["--label", "a=b", "-t", "nacre-e2e-result"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "--target",
    ...both(""),
    flagsAfter: ["--target", "run"],
    expected: { "RUN echo run": "cached" },
  },
  {
    name: "--add-host, another address",
    ...both(""),
    flagsBefore: ["--add-host", "a:10.0.0.1"],
    flagsAfter: ["--add-host", "a:10.0.0.2"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "--add-host, another name",
    ...both(""),
    flagsBefore: ["--add-host", "a:10.0.0.1"],
    flagsAfter: ["--add-host", "b:10.0.0.1"],
    expected: expecting("made", "cached"),
  },
  {
    name: "--add-host, another order",
    ...both(""),
    flagsBefore: ["--add-host", "a:10.0.0.1", "--add-host", "b:10.0.0.2"],
    flagsAfter: ["--add-host", "b:10.0.0.2", "--add-host", "a:10.0.0.1"],
    expected: expecting("made", "cached"),
  },
  {
    name: "--ulimit",
    ...both(""),
    flagsBefore: ["--ulimit", "nofile=1000:2000"],
    flagsAfter: ["--ulimit", "nofile=1000:2001"],
    expected: expecting("made", "cached"),
  },
  {
    name: "--shm-size",
    ...both(""),
    flagsBefore: ["--shm-size", "8m"],
    flagsAfter: ["--shm-size", "16m"],
    expected: expecting("made", "cached"),
  },
  { name: "--network", ...both(""), flagsAfter: ["--network", "none"], expected: expecting("made", "cached") },
  {
    name: "host name",
    ...both(""),
    flagsBefore: ["--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=one"],
    flagsAfter: ["--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=two"],
    expected: expecting("made", "cached"),
  },
  {
    name: "platform, of what does not run",
    before: "FROM scratch\nCOPY f /f\nWORKDIR /w\n",
    flagsBefore: ["--platform", "linux/amd64"],
    flagsAfter: ["--platform", "linux/arm64"],
    expected: { "COPY f": "cached", "WORKDIR /w": "cached" },
  },
  {
    name: "platform, of what runs",
    before:
      "FROM --platform=$BUILDPLATFORM nacre-e2e-box AS programs\nFROM scratch\nCOPY --from=programs /bin /bin\nCOPY f /f\nRUN echo run\n",
    flagsBefore: ["--platform", "linux/amd64"],
    flagsAfter: ["--platform", "linux/386"],
    expected: { COPY: "cached", RUN: "made" },
  },
];

const asked: Row[] = [
  {
    name: "--no-cache",
    before: "FROM nacre-e2e-box\nWORKDIR /{token}\nRUN echo run\nCOPY f /f\nADD g /g\n",
    flagsAfter: ["--no-cache"],
    expected: { WORKDIR: "cached", RUN: "made", COPY: "made", ADD: "made" },
  },
  {
    name: "--no-cache-filter",
    ...both(""),
    flagsAfter: ["--no-cache-filter", "run"],
    expected: expecting("made", "cached"),
  },
  {
    name: "--no-cache-filter of a stage that another stands on",
    before: "FROM box AS one\nCOPY f /f\nFROM one\nCOPY g /g\nRUN echo run\n",
    flagsAfter: ["--no-cache-filter", "one"],
    expected: { "COPY f": "made", "COPY g": "cached", "RUN echo run": "cached" },
    fewer: { "COPY g": "the stage below came out the same", "RUN echo run": "the stage below came out the same" },
  },
  {
    name: "--no-cache-filter of a stage without a name that is meant",
    ...both(""),
    flagsAfter: ["--no-cache-filter", "never"],
    expected: expecting("cached", "cached"),
  },
  {
    name: "a build with --no-cache before",
    ...both(""),
    flagsBefore: ["--no-cache"],
    expected: expecting("cached", "cached"),
  },
];

/** Rows about texts and settings. */
export const CONFIG_ROWS: readonly Row[] = [...data, ...state, ...told, ...asked];
