/**
 * Certificate authorities of the tests: X.509 certificates with keys on P-256, encoded here (RFC 5280), so that no program
 * is needed and each test can have a wrong, expired or foreign one.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

/** PEM texts of a certificate and its private key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is to say. */
export interface CertificateWish {
  /** Host names and IP addresses; the default is loopback's. */
  readonly hosts?: readonly string[];
  /** Name of the subject. */
  readonly name?: string;
  /** Default: a day ago, and in ten years. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** An authority of its own. */
export interface Authority {
  /** Its certificate, as PEM. */
  readonly ca: string;
  /** Makes a certificate for servers and clients. */
  issue(wish?: CertificateWish): KeyPair;
}

const DAY = 86_400_000;
const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

/** Makes an authority that nobody trusts yet. */
export function makeAuthority(name = "authority of the tests"): Authority {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ca = certificate({ name, hosts: [] }, own.publicKey, { name, key: own.privateKey }, true);
  return {
    ca,
    issue(wish = {}) {
      const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const cert = certificate(wish, pair.publicKey, { name, key: own.privateKey }, false);
      return { cert, key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
    },
  };
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

function certificate(wish: CertificateWish, publicKey: KeyObject, issuer: Issuer, isAuthority: boolean): string {
  const { hosts = LOOPBACK, name = hosts[0] ?? "client" } = wish;
  const notBefore = wish.notBefore ?? new Date(Date.now() - DAY);
  const notAfter = wish.notAfter ?? new Date(Date.now() + 3650 * DAY);
  const spki = publicKey.export({ type: "spki", format: "der" });
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_SHA256,
    nameOf(issuer.name),
    sequence(time(notBefore), time(notAfter)),
    nameOf(name),
    spki,
    tagged(0xa3, sequence(...extensions(hosts, isAuthority, spki))),
  );
  const der = sequence(body, ECDSA_SHA256, bits(sign("sha256", body, issuer.key)));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions(hosts: readonly string[], isAuthority: boolean, spki: Buffer): Buffer[] {
  const identifier = createHash("sha1").update(spki).digest();
  const constraints = isAuthority ? sequence(tagged(0x01, Buffer.from([0xff]))) : sequence();
  // keyCertSign and digitalSignature; digitalSignature alone.
  const usage = tagged(0x03, Buffer.from(isAuthority ? [2, 0x84] : [7, 0x80]));
  return [
    extension("2.5.29.19", constraints, true),
    extension("2.5.29.15", usage, true),
    extension("2.5.29.14", tagged(0x04, identifier)),
    ...(isAuthority ? [] : [extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))]),
    ...(hosts.length === 0 ? [] : [extension("2.5.29.17", sequence(...hosts.map(hostName)))]),
  ];
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [tagged(0x01, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...critical, tagged(0x04, value));
}

function hostName(host: string): Buffer {
  if (isIP(host) === 0) return tagged(0x82, Buffer.from(host));
  const bytes = isIP(host) === 4 ? host.split(".").map(Number) : ipv6Bytes(host);
  return tagged(0x87, Buffer.from(bytes));
}

function ipv6Bytes(host: string): number[] {
  const [head = "", tail = ""] = host.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((each) => Number.parseInt(each, 16));
  const [first, last] = [groups(head), groups(tail)];
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return all.flatMap((group) => [group >> 8, group & 255]);
}

function nameOf(text: string): Buffer {
  const attribute = sequence(oid("2.5.4.3"), tagged(0x0c, Buffer.from(text)));
  return sequence(tagged(0x31, attribute));
}

/** UTCTime up to 2049, GeneralizedTime after that (RFC 5280, 4.1.2.5). */
function time(date: Date): Buffer {
  const text = `${date.toISOString().replace(/[-:T]|\..*/g, "")}Z`;
  const isLate = date.getUTCFullYear() >= 2050;
  return tagged(isLate ? 0x18 : 0x17, Buffer.from(isLate ? text : text.slice(2)));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 127];
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 127) | 128);
  return digits;
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function bits(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
