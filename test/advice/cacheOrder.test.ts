import { expect, test } from "vitest";
import { advise, rules } from "./advise.js";

const RULE = "CacheHostileOrder";

test("an argument that changes with each build, before a slow step that does not use it", async () => {
  const [found] = await advise(
    "FROM debian\nARG GIT_SHA=unknown\nRUN apt-get update && apt-get install -y curl\nLABEL rev=$GIT_SHA\n",
  );
  expect(found).toMatchObject({
    rule: RULE,
    detail:
      "ARG GIT_SHA changes from build to build, and makes apt-get install -y (line 3) run again each time though that does not use it",
    fix: "move it below line 3, to where it is used",
  });
  expect(found!.place.range.start.line).toBe(2);
});

test.each([
  ["a date", "ARG BUILD_DATE\nRUN apk add curl"],
  ["what CI sets", "ARG CI_COMMIT_SHORT_SHA\nRUN pip install -r x.txt"],
  ["a version that is only told", 'ARG VERSION=dev\nRUN apk add gcc\nRUN cc -DVERSION="$VERSION" a.c'],
  ["an environment variable made of it", "ARG VCS_REF\nENV REV=$VCS_REF\nRUN dnf install -y git\nRUN echo $REV"],
])("%s is found", async (_, body) => {
  expect(await rules(`FROM x\n${body}\n`)).toEqual([`2 ${RULE}`]);
});

test.each([
  ["it stands below", "RUN apk add curl\nARG GIT_SHA\nLABEL rev=$GIT_SHA"],
  ["the step uses it", "ARG VERSION\nRUN apk add tool=$VERSION"],
  ["it is pinned", "ARG GIT_COMMIT=0123456789abcdef\nRUN apk add git\nRUN git checkout $GIT_COMMIT"],
  ["it says what to fetch", "ARG VERSION\nRUN apk add curl\nRUN curl -O https://example.com/x-${VERSION}.tgz"],
  ["an earlier step needs it", "ARG GIT_SHA\nRUN echo $GIT_SHA >/rev\nRUN apk add curl"],
  ["only quick steps follow", "ARG GIT_SHA\nRUN mkdir /x\nRUN make"],
  ["it is a constant", "ENV VERSION=1.2.3\nRUN apk add curl"],
  ["it is a label", "LABEL build.date=2020\nRUN apk add curl"],
  ["its name only sounds like it", "ARG NODE_VERSION\nARG PYTHON_COMMITTER\nARG SHARED\nRUN apk add curl"],
])("an argument is no trouble where %s", async (_, body) => {
  expect(await rules(`FROM x\n${body}\n`)).toEqual([]);
});

test("an argument before FROM is not seen by steps", async () => {
  expect(await rules("ARG GIT_SHA\nFROM x\nRUN apk add curl\n")).toEqual([]);
});

test("apt-get update in a step of its own", async () => {
  const [found] = await advise("FROM debian\nRUN apt-get update\nRUN apt-get install -y curl\n");
  expect(found).toMatchObject({
    rule: RULE,
    fix: "put both into one RUN: apt-get update && apt-get install …",
    detail: expect.stringContaining("the install in line 3"),
  });
});

test.each([
  ["both are one step", "RUN apt-get update && apt-get -y install curl"],
  ["nothing is installed", "RUN apt-get update"],
  ["each step updates", "RUN apt-get update\nRUN apt-get update -qq && apt-get install -y curl"],
  [
    "the lists are in a cache mount",
    "RUN --mount=type=cache,target=/var/lib/apt apt-get update\nRUN apt-get install -y x",
  ],
])("an update is no trouble where %s", async (_, body) => {
  expect(await rules(`FROM debian\n${body}\n`)).toEqual([]);
});
