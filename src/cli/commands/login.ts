/** `nacre login` and `nacre logout`. */
import type { Login, LoginRequest, LoginWorld } from "../../index.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { canAsk } from "../confirm.js";
import { type Invocation, print, readStdin } from "../invocation.js";
import { askLine } from "../prompt.js";
import { printable } from "../terminalText.js";
import { examples, optionsOf } from "./options.js";

interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

const LOGIN_EXAMPLES = examples(
  ["nacre login", "Docker Hub; asks for user name and password"],
  ["nacre login registry.example -u ann --password-stdin <token.txt", "in a script"],
);
const LOGOUT_EXAMPLES = examples(["nacre logout registry.example", "forget its credentials"]);

/** Longest password that is read. */
const MAX_PASSWORD_BYTES = 64 << 10;

/** Declares `nacre login`. */
export function loginCommand(invocation: Invocation): Command {
  return new Command("login")
    .summary("log in to a registry")
    .description(
      "Try user name and password on a registry and keep them, where docker and the other tools that read its configuration find them too.",
    )
    .usage("[OPTIONS] [HOST]")
    .argument("[host]", "the registry (default: Docker Hub)")
    .option("-u, --username <name>", "user name")
    .option("-p, --password <text>", "password; others can see it in the list of processes: better --password-stdin")
    .option("--password-stdin", "take the password from standard input")
    .addHelpText("after", LOGIN_EXAMPLES)
    .action((host: string | undefined, _options: unknown, self: Command) =>
      logIn(invocation, host, optionsOf<LoginOptions>(self)),
    );
}

/** Declares `nacre logout`. */
export function logoutCommand(invocation: Invocation): Command {
  return new Command("logout")
    .summary("log out of a registry")
    .description("Remove the credentials of a registry from everywhere that nacre would find them.")
    .usage("[HOST]")
    .argument("[host]", "the registry (default: Docker Hub)")
    .addHelpText("after", LOGOUT_EXAMPLES)
    .action((host: string | undefined) => logOut(invocation, host));
}

async function logIn(invocation: Invocation, host: string | undefined, options: LoginOptions): Promise<void> {
  assertOptions(options);
  if (options.password !== undefined) {
    warnOn(invocation, "--password can be seen by others on this machine: use --password-stdin");
  }
  const library = await import("../../index.js");
  const world = { env: environmentOf(invocation) };
  const done =
    (await retry(invocation, host, options, (request) => library.login(request, world))) ??
    (await library.login({ host, ...(await credentialsOf(invocation, options)) }, world));
  if (done.keptIn) print(invocation.stderr, [`Credentials are kept in ${printable(done.keptIn.name)}`]);
  print(invocation.stdout, ["Login Succeeded"]);
}

function assertOptions({ username, password, passwordStdin }: LoginOptions): void {
  const hint = "see: nacre login --help";
  if (passwordStdin && password !== undefined) {
    throw new NacreError("USAGE", "--password and --password-stdin are mutually exclusive", { hint });
  }
  if (username === undefined && (passwordStdin || password !== undefined)) {
    throw new NacreError("USAGE", `--username is missing beside ${passwordStdin ? "--password-stdin" : "--password"}`, {
      hint,
    });
  }
  if (username === "") throw new NacreError("USAGE", "--username is empty", { hint });
  if (password === "") throw new NacreError("USAGE", "--password is empty", { hint });
}

/** Without any flag, credentials that are there already are tried first, as docker does. */
async function retry(
  invocation: Invocation,
  host: string | undefined,
  { username }: LoginOptions,
  login: (request: LoginRequest) => Promise<Login>,
): Promise<Login | undefined> {
  if (username !== undefined) return undefined;
  try {
    const done = await login({ host });
    const name = done.username === undefined ? "" : ` [Username: ${printable(done.username)}]`;
    print(invocation.stderr, [`Authenticating with existing credentials...${name}`]);
    return done;
  } catch (error) {
    const refused = isNacreError(error) && (error.code === "DENIED" || error.code === "CREDENTIALS");
    if (!refused || !canAsk(invocation)) throw error;
    if (error.code === "DENIED") warnOn(invocation, `${error.message}: existing credentials are refused`);
    return undefined;
  }
}

async function credentialsOf(invocation: Invocation, options: LoginOptions) {
  const { username: given, password } = options;
  if (options.passwordStdin) return { username: given, password: await passwordFromStdin(invocation) };
  if (password !== undefined) return { username: given, password };
  if (!canAsk(invocation)) {
    throw new NacreError("USAGE", "there is no terminal to ask for the password", { hint: "use --password-stdin" });
  }
  const username = given ?? (await askLine(invocation, "Username: ")).trim();
  return { username, password: await askLine(invocation, "Password: ", { hidden: true }) };
}

/** All of standard input, without the line's end. */
async function passwordFromStdin(invocation: Invocation): Promise<string> {
  const bytes = await readStdin(invocation);
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text === "") throw new NacreError("USAGE", "the password is empty", { hint: "give it on standard input" });
  if (bytes.length <= MAX_PASSWORD_BYTES) return text;
  throw new NacreError("USAGE", "the password is too long", { hint: `at most ${MAX_PASSWORD_BYTES >> 10} KiB` });
}

async function logOut(invocation: Invocation, host: string | undefined): Promise<void> {
  const { logout } = await import("../../index.js");
  const { removedFrom, leftIn, host: registry } = await logout(host, { env: environmentOf(invocation) });
  const name = printable(registry);
  print(invocation.stdout, [
    removedFrom.length > 0 ? `Removing login credentials for ${name}` : `Not logged in to ${name}`,
  ]);
  for (const place of leftIn) warnOn(invocation, `credentials are left in ${place}`);
}

function environmentOf(invocation: Invocation): LoginWorld["env"] {
  const { env, signal, now } = invocation;
  return { env, signal, now, warn: (_rule, message) => warnOn(invocation, message) };
}

function warnOn(invocation: Invocation, message: string): void {
  print(invocation.stderr, [`warning: ${printable(message)}`]);
}
