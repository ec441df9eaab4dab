import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isGit } from "../../src/plan/remoteSources.js";
import { NacreError } from "../../src/support/errors.js";
import { type GitAddressUse, isGitAddress, parseGitAddress, withGitFlags } from "../../src/support/gitAddress.js";
import { parseRemote, submoduleRemote } from "../../src/support/gitRemote.js";

const parse = (text: string, as: GitAddressUse = "add") => parseGitAddress(text, as);

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NacreError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("a git address", () => {
  it("is told from paths and downloads as BuildKit tells it", () => {
    const yes = [
      "https://example.com/foo.git",
      "HTTPS://example.com/foo.git",
      "http://example.com/foo.git#v1",
      "https://example.com/foo.git?ref=a",
      "https://u:p@example.com/foo.git",
      "https://example.com/foo%2egit",
      "https://[::1]:8080/foo.git",
      "git://example.com/foo",
      "ssh://git@example.com:22/foo",
      "git@example.com:foo/bar",
      "git@example.com:foo/bar.git#main:dir",
    ];
    const no = [
      "https://example.com/",
      "https://example.com/foo",
      "https://example.com/foo.git/",
      "https://example.com/foo.git.bar",
      "https://example.com/foo.git:#branch",
      "https:///foo.git",
      "https://a b/foo.git",
      "https://example.com:port/foo.git",
      "file:///srv/foo.git",
      "ext::sh -c x",
      "ftp://example.com/foo.git",
      "github.com/o/r",
      "github.com/o/r.git",
      "example.com:foo.git",
      "./.git",
      ".git",
      "../git@host:x",
      "git@host/foo.git",
      "bad:user@host:foo.git",
      "https://example.com/foo.git#a%zz",
      "https://example.com/foo\n.git",
    ];
    expect(yes.filter((text) => !isGit(text))).toEqual([]);
    expect(no.filter((text) => isGit(text))).toEqual([]);
  });

  it("may be a bare github.com path where it is a context", () => {
    expect(parse("github.com/o/r?tag=v1#refs/tags/v1:sub", "context")).toEqual({
      remote: "https://github.com/o/r",
      shown: "https://github.com/o/r",
      ref: "refs/tags/v1",
      subdir: "sub",
    });
    expect(isGitAddress("github.community/o/r", "context")).toBe(false);
  });

  it("has a ref and a subdir in its fragment", () => {
    const of = (fragment: string) => {
      const { ref, subdir } = parse(`https://h/r.git${fragment}`)!;
      return [ref, subdir];
    };
    expect(of("")).toEqual([undefined, undefined]);
    expect(of("#")).toEqual([undefined, undefined]);
    expect(of("#release/1.2")).toEqual(["release/1.2", undefined]);
    expect(of("#a/b:c/d")).toEqual(["a/b", "c/d"]);
    expect(of("#:dir")).toEqual([undefined, "dir"]);
    expect(of("#main:/a//./b/../c/")).toEqual(["main", "a/c"]);
    expect(of("#main:/")).toEqual(["main", undefined]);
    expect(of("#a%2Fb:c%20d")).toEqual(["a/b", "c d"]);
    expect(of("#main:a:b")).toEqual(["main", "a:b"]);
  });

  it("takes options in its query", () => {
    expect(
      parse("https://h/r.git?branch=a&subdir=b&checksum=AB12&keep-git-dir&submodules=f&mtime=commit&fetch-by-commit=1"),
    ).toEqual({
      remote: "https://h/r.git",
      shown: "https://h/r.git",
      ref: "refs/heads/a",
      subdir: "b",
      checksum: "AB12",
      keepGitDir: true,
      submodules: false,
      mtime: "commit",
      fetchByCommit: true,
    });
    expect(parse("git@h:r.git?tag=refs/tags/x&ref=refs/tags/x&commit=ab")).toMatchObject({
      remote: "git@h:r.git",
      ref: "refs/tags/x",
      checksum: "ab",
    });
    expect(parse("https://h/r.git?subdir=a+b%2Bc")).toMatchObject({ subdir: "a b+c" });
    expect(parse("https://h/r.git?ref=x#x:y")).toMatchObject({ ref: "x", subdir: "y" });
  });

  it.each([
    ["?ref=a#b", 'ref conflicts: "b" vs "a"'],
    ["?ref=a&tag=a", 'ref conflicts: "a" vs "refs/tags/a"'],
    ["?branch=a&ref=b", 'ref conflicts: "b" vs "refs/heads/a"'],
    ["?branch=a&tag=b", "branch conflicts with tag"],
    ["?subdir=a#:b", 'subdir conflicts: "b" vs "a"'],
    ["?ref", 'query "ref" has no value'],
    ["?ref=", 'query "ref" has no value'],
    ["?ref=a&ref=b", 'query "ref" has multiple values'],
    ["?submodules&submodules", 'query "submodules" has multiple values'],
    ["?depth=1", 'unexpected query "depth"'],
    ["?toString=1", 'unexpected query "toString"'],
    ["?keep-git-dir=yes", 'invalid keep-git-dir value: "yes"'],
    ["?mtime=now", 'invalid mtime value: "now" (must be "checkout" or "commit")'],
    ["?checksum=sha256:aa", "invalid checksum sha256:aa for Git URL, expected hex commit hash"],
    ["#--upload-pack=x", 'invalid git ref "--upload-pack=x"'],
    ["?ref=-x", 'invalid git ref "-x"'],
    ["?ref=a%00b", 'invalid git ref "a\\u0000b"'],
    ["#main:..", 'the subdir ".." leaves the git repository'],
    ["#main:a/../../b", 'the subdir "a/../../b" leaves the git repository'],
  ])("says what is wrong with %s", (options, message) => {
    expect(messageOf(() => parse(`https://h/r.git${options}`))).toBe(`PLAN_INVALID: ${message}`);
    expect(messageOf(() => parse(`https://h/r.git${options}`, "context"))).toBe(`USAGE: ${message}`);
  });

  it("is shown without what is secret in it", () => {
    const shown = (text: string) => parse(text)!.shown;
    expect(shown("https://me:pw@h/r.git")).toBe("https://h/r.git");
    expect(shown("https://token@h:8443/r.git#x")).toBe("https://h:8443/r.git");
    expect(shown("https://a:b@c@h/r.git")).toBe("https://h/r.git");
    expect(shown("git://me:pw@h/r")).toBe("git://h/r");
    expect(shown("ssh://git:pw@h/r")).toBe("ssh://git@h/r");
    expect(shown("git@h:r")).toBe("git@h:r");
    const text = messageOf(() => parse("https://me:hidden@h/r.git?x=1"));
    expect(text).not.toContain("hidden");
  });

  it.each(["-x@h:r", "git@-oProxyCommand:r", "git@h:-r", "ssh://-oProxyCommand=x/r", "ssh://-l@h/r", "git://-h/r"])(
    "is refused where a part could be taken for an option: %s",
    (text) => {
      expect(messageOf(() => parse(text))).toMatch(/begins with a dash in the git address/);
    },
  );

  it("agrees with the flags of its ADD or is refused", () => {
    const address = parse("https://h/r.git?keep-git-dir=1&checksum=ab")!;
    expect(withGitFlags(address, {})).toEqual(address);
    expect(withGitFlags(address, { keepGitDir: true, checksum: "ab" })).toEqual(address);
    expect(messageOf(() => withGitFlags(address, { keepGitDir: false }))).toContain(
      "inconsistent keep-git-dir configuration",
    );
    expect(messageOf(() => withGitFlags(address, { checksum: "aa" }))).toContain('checksum mismatch "aa" != "ab"');
    expect(withGitFlags(parse("https://h/r.git")!, { checksum: "ab", keepGitDir: false })).toMatchObject({
      checksum: "ab",
      keepGitDir: false,
    });
    expect(messageOf(() => withGitFlags(parse("https://h/r.git")!, { checksum: "sha256:aa" }))).toContain(
      "expected hex commit hash",
    );
  });

  it("never crashes, never shows a password, and never lets a subdir out", () => {
    const piece = fc.constantFrom(
      "https://",
      "git@",
      "u:hidden1@",
      "h",
      "/r.git",
      "#",
      "?",
      ":",
      "..",
      "/",
      "a",
      "ref=",
      "&",
      "%2e",
      "%",
      "subdir=",
      "-",
      "\0",
      "é",
      " ",
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.constantFrom("add" as const, "context" as const),
        (pieces, as) => {
          const text = pieces.join("");
          try {
            const address = parseGitAddress(text, as);
            expect(address !== undefined).toBe(isGitAddress(text, as));
            if (address?.shown.startsWith("http")) expect(address.shown).not.toMatch(/^[^/]*\/\/[^/]*hidden1/);
            expect(address?.subdir?.split("/") ?? []).not.toContain("..");
            expect(address?.ref ?? "").not.toMatch(/^-|\0/);
          } catch (error) {
            if (!(error instanceof NacreError)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("the address of a submodule", () => {
  it.each([
    ["../b.git", "https://h/o/a.git", "https://h/o/b.git"],
    ["../../x/b", "https://h/o/a.git/", "https://h/x/b"],
    ["./b", "https://h/o/a.git", "https://h/o/a.git/b"],
    ["../b.git", "git@h:o/a.git", "git@h:o/b.git"],
    ["../b.git", "git@h:a.git", "git@h:b.git"],
    ["https://other/b", "https://h/a.git", "https://other/b"],
    ["host:b.git", "https://h/a.git", "host:b.git"],
  ])("%s of %s is %s", (url, parent, expected) => {
    expect(submoduleRemote(url, parseRemote(parent)!)?.shown).toBe(expected);
  });

  it.each(["/srv/b.git", "file:///srv/b.git", "ext::sh -c touch", "../../../../b\n", "b.git", "-x"])(
    "%s is refused",
    (url) => {
      expect(submoduleRemote(url, parseRemote("https://h/o/a.git")!)).toBeUndefined();
    },
  );
});
