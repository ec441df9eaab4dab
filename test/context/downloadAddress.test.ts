import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mayLead, reachOf } from "../../src/registry/addressPolicy.js";
import {
  downloadName,
  identityOf,
  parseHttpAddress,
  redirectTarget,
  shownUrl,
} from "../../src/registry/httpAddress.js";
import { parseHttpDate } from "../../src/registry/httpDate.js";
import { proxyFor } from "../../src/registry/httpProxy.js";

describe("the name of a download", () => {
  // As the real Docker names them.
  test.each([
    ["http://h/name.txt?x=1/y", "name.txt"],
    ["http://h/a%20b.txt", "a b.txt"],
    ["http://h/a%2Fb", "b"],
    ["http://h/", "__unnamed__"],
    ["http://h", "__unnamed__"],
    ["http://h?x=/y", "__unnamed__"],
    ["http://h/dir/", "dir"],
    ["http://h/a//", "a"],
    ["http://h/a+b", "a+b"],
    ["http://h/n.txt#f/g", "n.txt"],
    ["http://h/%C3%A9.txt", "é.txt"],
    ["http://h/é.txt", "é.txt"],
    ["http://h/a%5Cb", "a\\b"],
    ["http://h/x;y=1", "x;y=1"],
    ["http://h/..", "download"],
    ["http://h/a/%2e%2e", "download"],
    ["http://h/a/.", "__unnamed__"],
    ["http://u:p/@h/f", "f"],
  ])("of %s is %s", (url, name) => expect(downloadName(url)).toBe(name));

  test.each(["http://h/%zz", "http://h/a%", "http://h/%FF", "http://h/a%00b"])("of %s is none", (url) => {
    expect(() => downloadName(url)).toThrow("cannot be downloaded");
  });

  test("never leads anywhere, whatever the address", () => {
    const part = fc.oneof(
      fc.constantFrom("/", "..", ".", "%2f", "%2e", "%5c", "%00", "@", "?", "#", "%c3"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        let name: string;
        try {
          name = downloadName(`https://h/${parts.join("")}`);
        } catch {
          return;
        }
        expect(name).not.toMatch(/\/|\0/);
        expect(["", ".", ".."]).not.toContain(name);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an address", () => {
  test("gives its user name and password away to a header only", () => {
    const { url, basic } = parseHttpAddress("https://us%C3%A9r:p%40ss@h:8443/x?y#z");
    expect(url.href).toBe("https://h:8443/x?y");
    expect(basic).toBe(`Basic ${Buffer.from("usér:p@ss").toString("base64")}`);
    expect(parseHttpAddress("http://me@h/").basic).toBe(`Basic ${Buffer.from("me:").toString("base64")}`);
    expect(parseHttpAddress("http://h/").basic).toBeUndefined();
  });

  test("that cannot be read shows nothing that may be a password", () => {
    for (const text of ["http://u:pass/word@h/", "http://u:pass#@h", "http://u:pass@[::1/", "http://u:pass@h:99999/"]) {
      expect(() => parseHttpAddress(text)).toThrow(/^(?!.*pass).*cannot be downloaded/);
    }
    expect(() => parseHttpAddress("http://")).toThrow("it is no URL");
    expect(() => parseHttpAddress(`http://h/${"x".repeat(40_000)}`)).toThrow("it is too long");
  });

  test("is shown without what lets people in", () => {
    const show = (text: string) => shownUrl(new URL(text));
    expect(show("https://h/f?a=1&b=token")).toBe("https://h/f?a=1&b=token");
    expect(show("https://h/f?v=1&private_token=s3cret&X-Amz-Signature=s3cret&%74oken=s3cret&Sig")).not.toContain(
      "s3cret",
    );
    expect(show("https://h/f?v=1&private_token=s3cret")).toBe("https://h/f?v=1&private_token=…");
    expect(show("https://h/f?signature=s3cret&sig=s3cret&jwt=s3cret&client_secret=s3cret")).not.toContain("s3cret");
  });

  test("is the same content's if only who signed it differs", () => {
    const same = (a: string, b: string) => identityOf(new URL(a)) === identityOf(new URL(b));
    const azure = "&sp=r&sv=2018-11-09&sr=b&skoid=1";
    expect(same(`https://h/f?id=1&sig=a&se=1${azure}`, `https://h/f?id=1&sig=b&se=2${azure}`)).toBe(true);
    expect(same("https://h/f?Expires=1&Signature=a&v=1", "https://h/f?v=1&Expires=2&Signature=b")).toBe(true);
    expect(same("https://h/f?id=1&sig=a&se=1&sv=1", "https://h/f?id=2&sig=a&se=1&sv=1")).toBe(false);
    expect(same("https://h/f?se=1", "https://h/f?se=2")).toBe(false);
    expect(same("https://h/f?x-amz-date=1", "https://h/f?x-amz-date=2")).toBe(false);
    expect(same("https://h/f", "http://h/f")).toBe(false);
  });

  test("that is redirected to is http or https, or an error", () => {
    const from = new URL("https://h/a/b?c");
    expect(redirectTarget("../x y", from).url.href).toBe("https://h/x%20y");
    expect(redirectTarget("//other/x", from).url.href).toBe("https://other/x");
    expect(redirectTarget(Buffer.from("/é").toString("latin1"), from).url.href).toBe("https://h/%C3%A9");
    for (const bad of ["file:///etc/passwd", "ftp://h/x", "data:,x", "javascript:1", "http://[", "http://h:1e9/"]) {
      expect(() => redirectTarget(bad, from), bad).toThrow("https://h/a/b?c redirects to a");
    }
  });
});

describe("a time of HTTP", () => {
  test.each([
    ["Tue, 03 Jan 2023 04:05:06 GMT", 1_672_718_706],
    ["Tuesday, 03-Jan-23 04:05:06 GMT", 1_672_718_706],
    ["Tue Jan  3 04:05:06 2023", 1_672_718_706],
    ["Tue, 03 Jan 1933 04:05:06 GMT", -1_167_422_094],
    ["Mon, 03 Jan 2133 04:05:06 GMT", 5_144_011_506],
    ["Tue, 03 Jan 2023 04:05:06 +0200", undefined],
    ["Tue, 30 Feb 2023 04:05:06 GMT", undefined],
    ["Tue, 03 Jan 2023 24:05:06 GMT", undefined],
    ["2023-01-03T04:05:06Z", undefined],
    ["yesterday", undefined],
    ["", undefined],
  ])("%s is %s", (text, seconds) => expect(parseHttpDate(text)).toBe(seconds));
});

describe("a proxy", () => {
  const via = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env)?.url.host;

  test("is chosen by scheme, in either case of the variable", () => {
    expect(via("http://h/", { HTTP_PROXY: "http://p:1" })).toBe("p:1");
    expect(via("http://h/", { http_proxy: "p:1" })).toBe("p:1");
    expect(via("https://h/", { http_proxy: "p:1" })).toBeUndefined();
    expect(via("https://h/", { https_proxy: "https://p:1/", HTTPS_PROXY: "http://q:2" })).toBe("q:2");
    expect(via("http://h/", { HTTP_PROXY: "" })).toBeUndefined();
  });

  test("is never asked for this machine itself", () => {
    const env = { HTTP_PROXY: "http://p:1" };
    for (const host of [
      "localhost",
      "a.localhost",
      "LOCALHOST.",
      "127.0.0.1",
      "127.9.9.9",
      "[::1]",
      "2130706433",
      "0x7f.1",
    ]) {
      expect(via(`http://${host}/`, env), host).toBeUndefined();
    }
    expect(via("http://10.0.0.1/", env)).toBe("p:1");
  });

  test.each([
    ["*", "anything.example", true],
    ["example.com", "example.com", true],
    ["example.com", "a.example.com", true],
    ["example.com", "notexample.com", false],
    [".example.com", "a.example.com", true],
    [".example.com", "example.com", false],
    ["*.example.com", "a.example.com", true],
    ["EXAMPLE.com", "example.COM", true],
    ["example.com:81", "example.com", false],
    ["example.com:80", "example.com", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.0.0.0/8", "10.9.9.9", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["fd00::/8", "[fd12::1]", true],
    ["[fd12::1]:80", "[fd12::1]", true],
    ["a, ,b  c", "c", true],
    ["", "h", false],
    ["10.0.0.0/99,/8,:,[", "10.0.0.1", false],
  ])("is passed by under NO_PROXY=%s for %s: %s", (rules, host, direct) => {
    expect(via(`http://${host}/`, { HTTP_PROXY: "p:1", NO_PROXY: rules }) === undefined).toBe(direct);
  });

  test("gets its credentials, and tells no one", () => {
    const found = proxyFor(new URL("http://h/"), { HTTP_PROXY: "http://me:s3cret@p:1" });
    expect(found?.authorization).toBe(`Basic ${Buffer.from("me:s3cret").toString("base64")}`);
    expect(found?.url.href).toBe("http://p:1/");
    for (const bad of ["socks5://me:s3cret@p:1", "http://me:s3cret@p:99999", "http://me:s3/cret@"]) {
      expect(() => proxyFor(new URL("http://h/"), { HTTP_PROXY: bad })).toThrow(
        /^the proxy in HTTP_PROXY cannot be used$/,
      );
    }
  });
});

describe("how near an address is", () => {
  test.each([
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ["127.0.0.1", "loopback"],
    ["0.0.0.0", "loopback"],
    ["::", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:7f00:1", "loopback"],
    ["::127.0.0.1", "loopback"],
    ["64:ff9b::7f00:1", "loopback"],
    ["2002:7f00:1::", "loopback"],
    ["169.254.169.254", "link-local"],
    ["::ffff:a9fe:a9fe", "link-local"],
    ["64:ff9b::169.254.169.254", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["10.1.2.3", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.0", "public"],
    ["192.168.0.1", "private"],
    ["100.64.0.1", "private"],
    ["fd00:ec2::254", "private"],
    ["::ffff:8.8.8.8", "public"],
  ])("%s is %s", (address, reach) => expect(reachOf(address)).toBe(reach));

  test("only ever grows less on the way", () => {
    expect(mayLead("public", "public") && mayLead("private", "public") && mayLead("loopback", "private")).toBe(true);
    for (const near of ["private", "link-local", "loopback"] as const) expect(mayLead("public", near)).toBe(false);
    expect(mayLead("private", "loopback") || mayLead("private", "link-local")).toBe(false);
  });
});
