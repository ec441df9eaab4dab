/**
 * Changing a file with credentials: only what is meant, in one step, readable by its owner alone. The file is replaced by
 * rename, so that whoever reads it meanwhile sees the old or the new one, and what fails changes nothing.
 */
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errnoOf, ioError } from "../support/errors.js";
import { configError, readConfigFile } from "./configFile.js";
import { CREDENTIAL_FILE, keyOf, namesOf } from "./credentialFiles.js";

/** A JSON object as it was read. */
type JsonObject = { [key: string]: unknown };

/** Sets the one entry of `auths` that is for the whole of a registry. @returns false if nothing had to be changed */
export function setEntry(path: string, host: string, value: JsonObject): boolean {
  return editFile(path, (config) => {
    const auths = authsOf(path, config);
    const key = keyOf(host);
    const isSame = JSON.stringify(auths[key]) === JSON.stringify(value);
    const others = keysOf(auths, host).filter((one) => one !== key);
    if (isSame && others.length === 0) return false;
    for (const other of others) delete auths[other];
    auths[key] = value;
    config.auths = auths;
    return true;
  });
}

/** Removes the entries of `auths` for the whole of a registry, however they are spelt. @returns false if there was none */
export function removeEntries(path: string, host: string): boolean {
  return editFile(path, (config) => {
    const auths = authsOf(path, config);
    const keys = keysOf(auths, host);
    for (const key of keys) delete auths[key];
    return keys.length > 0;
  });
}

function keysOf(auths: JsonObject, host: string): string[] {
  return Object.keys(auths).filter((key) => {
    const names = namesOf(key);
    return names.host === host && names.path === undefined;
  });
}

function authsOf(path: string, config: JsonObject): JsonObject {
  const auths = config.auths ?? {};
  if (isObject(auths)) return auths;
  throw configError(CREDENTIAL_FILE, path, '"auths" is not an object');
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads, changes and replaces a file; where there is none it is made, with its directory.
 * @param edit changes the content, and says if it did
 */
function editFile(path: string, edit: (config: JsonObject) => boolean): boolean {
  const text = readConfigFile(path, CREDENTIAL_FILE);
  const config = parse(path, text ?? "{}");
  if (!edit(config)) return false;
  const newline = text === undefined || text.endsWith("\n") ? "\n" : "";
  replaceFile(path, `${JSON.stringify(config, null, indentOf(text))}${newline}`);
  return true;
}

/** What is no JSON is not overwritten: somebody's other settings are in it. */
function parse(path: string, text: string): JsonObject {
  let config: unknown;
  try {
    config = JSON.parse(text.trim() === "" ? "{}" : text);
  } catch {
    throw configError(CREDENTIAL_FILE, path, "it is not JSON, and is not overwritten");
  }
  if (isObject(config)) return config;
  throw configError(CREDENTIAL_FILE, path, "it is not a JSON object, and is not overwritten");
}

/** How the file is indented; Docker uses tabs. */
function indentOf(text: string | undefined): string {
  return /^\s*\{\r?\n([ \t]{1,8})"/.exec(text ?? "")?.[1] ?? "\t";
}

function replaceFile(path: string, text: string): void {
  try {
    const target = linkTarget(path);
    fs.mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    const draft = join(dirname(target), `.${basename(target)}.${process.pid}.${Math.random().toString(36).slice(2)}`);
    try {
      writeDraft(draft, text, fs.statSync(target, { throwIfNoEntry: false }));
      fs.renameSync(draft, target);
    } catch (error) {
      fs.rmSync(draft, { force: true });
      throw error;
    }
  } catch (error) {
    throw ioError(
      "CREDENTIALS",
      `writing ${path}`,
      error,
      "the login was not kept; DOCKER_CONFIG names another directory",
    );
  }
}

function writeDraft(draft: string, text: string, old: fs.Stats | undefined): void {
  const descriptor = fs.openSync(draft, "wx", 0o600);
  try {
    fs.writeFileSync(descriptor, text);
    if (old) keepOwner(descriptor, old);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The file of a user whom root acts for (sudo) stays that user's. */
function keepOwner(descriptor: number, { uid, gid }: fs.Stats): void {
  const own = fs.fstatSync(descriptor);
  if (own.uid === uid && own.gid === gid) return;
  try {
    fs.fchownSync(descriptor, uid, gid);
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
  }
}

/** Where a file really is: a symbolic link stays one, even to a file that is not there yet. */
function linkTarget(path: string): string {
  let target = resolve(path);
  for (let links = 0; links < 40; links++) {
    const stat = fs.lstatSync(target, { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) return target;
    target = resolve(dirname(target), fs.readlinkSync(target));
  }
  return fs.realpathSync(path);
}
