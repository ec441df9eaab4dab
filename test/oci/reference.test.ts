/** The names of images, as people write them. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { familiarName, formatReference, isReference, parseReference, shortenName } from "../../src/oci/reference.js";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("a name", () => {
  test.each([
    ["alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["me/app:1", "docker.io/me/app:1", "me/app:1"],
    ["index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"],
    ["localhost/app", "localhost/app:latest", "localhost/app:latest"],
    ["localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"],
    ["Registry/app", "Registry/app:latest", "Registry/app:latest"],
    ["[::1]:5000/a/b:1", "[::1]:5000/a/b:1", "[::1]:5000/a/b:1"],
    ["quay.io/a__b/c-d.e_f---g", "quay.io/a__b/c-d.e_f---g:latest", "quay.io/a__b/c-d.e_f---g:latest"],
    [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`, `alpine@${DIGEST}`],
    [`alpine:3@${DIGEST}`, `docker.io/library/alpine:3@${DIGEST}`, `alpine:3@${DIGEST}`],
  ])("%s is %s, in short %s", (text, full, short) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(familiarName(parseReference(text))).toBe(short);
    expect(formatReference(parseReference(full))).toBe(full);
    expect(formatReference(parseReference(short))).toBe(full);
  });

  test.each([
    ["", ""],
    ["upper case", "me/App"],
    ["a blank", "a b"],
    ["a separator at an end", "me/app-"],
    ["two dots", "me/a..b"],
    ["three underscores", "me/a___b"],
    ["a way upwards", "quay.io/../x"],
    ["a query", "quay.io/a?b"],
    ["a percent sign", "quay.io/a%2fb"],
    ["a user before the host", "me@quay.io/app"],
    ["a line feed", "quay.io/app\n"],
    ["a host with an underscore", "a_b.example/app"],
    ["a port that is none", "quay.io:x/app"],
    ["a tag that begins with a dot", "app:.1"],
    ["a tag of 129 characters", `app:${"t".repeat(129)}`],
    ["a short digest", "app@sha256:abc"],
    ["a digest in upper case", `app@sha256:${"A".repeat(64)}`],
    ["a digest that is a path", "app@sha256:../../etc/passwd"],
    ["an unknown algorithm", `app@md5:${"a".repeat(32)}`],
    ["more than 255 characters", `quay.io/${"a".repeat(248)}`],
  ])("is refused with %s", (_, text) => {
    expect(isReference(text)).toBe(false);
    expect(() => parseReference(text)).toThrow(/invalid image reference/);
    expect(shortenName(text)).toBe(text);
  });

  it("of 255 characters and a tag of 128 are taken", () => {
    expect(isReference(`quay.io/${"a".repeat(247)}:${"t".repeat(128)}`)).toBe(true);
  });

  it("that is taken has nothing in it that means something in a URL or a path (property)", () => {
    const unit = fc.constantFrom(..."aZ09._-:/@[]%?#\\ \n~é".split(""), "sha256:", "localhost", "..");
    const text = fc.string({ unit, maxLength: 30 });
    fc.assert(
      fc.property(text, (name) => {
        if (!isReference(name)) return;
        const { host, path, tag = "x" } = parseReference(name);
        expect(host).toMatch(/^[A-Za-z0-9.:[\]-]+$/);
        expect(path.split("/").every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part))).toBe(true);
        expect(tag).toMatch(/^\w[\w.-]*$/);
        expect(formatReference(parseReference(formatReference(parseReference(name))))).toBe(
          formatReference(parseReference(name)),
        );
      }),
    );
  });
});
