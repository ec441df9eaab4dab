/**
 * What shells do on the way to a step's process. The texts are constant; everything that varies comes as positional
 * arguments, in files, or (secrets) in the environment. They keep to what POSIX asks of sh: Debian's is dash, others
 * have busybox or bash.
 *
 * Descriptors on the way: 0 and 1 are the step's; 2 takes the words of programs that fail; 3 says to nacre how far it got
 * ({@link parseControl}); 5 is the standard error of a step on a terminal; 6 holds the contents of secrets; 7 tells a
 * process that waits what to run.
 */
import { type ByteString, encodeText, fromByteString } from "../support/bytes.js";

/** Closes descriptors. Arguments: their numbers, separated by blanks; the command to go on with. */
export const CLOSE_SCRIPT = `
for fd in $1; do eval "exec $fd>&-"; done
shift
exec "$@"
`;

/**
 * The first process. If nacre died before the death signal was asked for, no one will ever send it: so who the parent is
 * now is checked. Arguments: nacre's process id; the command to go on with.
 */
export const START_SCRIPT = `
exec 5>&2 2>&4 4>&-
test "$PPID" = "$1" || exit 1
shift
read -r NACRE_START rest </proc/self/stat || exit 1
export NACRE_START
exec "$@"
`;

/**
 * Process 1 of the outer pid namespace. It keeps its credentials, and so its death signal, which a step that changes to
 * another user loses. It asked for that signal only after it was there: so it too checks its parent. All pids are read from
 * the same /proc, whichever pid namespace that belongs to. A log goes through a pipe, because nacre's end is a
 * socket, and /dev/stdout could not be opened then. What a terminal sends is for the step alone. Arguments: `log`, `later` or
 * `terminal`; the command to go on with. `later` is `log` for a command that is not known yet: without one, it is waited for
 * here, else the one that is given waits itself.
 */
export const OUTER_SCRIPT = `
read -r self name state parent rest </proc/self/stat || exit 1
test "$parent" = "$NACRE_START" || exit 1
unset NACRE_START
trap : INT QUIT TERM HUP
echo "ready $self $parent" >&3
mode=$1
shift
if test "$mode$#" = later0; then
  read -r nacre_orders <&7 && . "$nacre_orders" || exit 1
  mode=log
fi
test "$mode" = later || exec 7<&-
case $mode in
  log | later)
    {
      "$@"
      echo "exit $?" >&3
    } | cat 3>&- 5>&- 6<&- 7<&-
    ;;
  terminal)
    "$@"
    echo "exit $?" >&3
    ;;
esac
`;

/** How many operands an operation has; see {@link SETUP_SCRIPT}. `walk` has as many as it says. */
export interface SetupOperations {
  /** Mounts the lines of a file, below the directory of this execution. */
  mount: [file: string];
  /** Says where the root is, once it is mounted. */
  root: [path: string];
  /** Copies a node of the host into the root's /dev. */
  device: [name: string];
  /** Writes a secret, taken from descriptor 6. */
  secret: [name: string, size: string, mode: string, owner: string];
  /** @property program that sets it where /proc/sys may not be written; may be empty */
  hostname: [name: string, program: string];
  /** Brings the loopback interface up. */
  loopback: [program: string, kind: "ip" | "ifconfig" | "busybox"];
  /** Gives the pipe of the output to the user of the step, so that /dev/stdout can be opened. */
  output: [uid: string];
}

/**
 * Makes the root and becomes the step's process. It starts in the directory of this execution. Its arguments are
 * operations (see {@link operation}), or `wait` where they come as orders, with a list of what is to be mounted before that
 * (or an empty word); then `begin`, the mode, whether the command is encoded, how many secret variables and
 * how many control groups there are, the names of the variables, the files by which the groups are joined, and the
 * command. The groups are joined last, when nothing is left to be done that a limit could prevent.
 *
 * `walk` makes directories, and a file at the end if asked to, below the root. It goes from one to the next and looks
 * where it has arrived, so that no symlink, whenever it was put there, can lead it elsewhere.
 */
export const SETUP_SCRIPT = `
umask 022
set -f
fail() {
  echo "fail $*" >&3
  exit 1
}
decode() {
  nacre_value=$1
  case $1 in
    *\\\\*)
      nacre_value=$(printf '%b.' "$1")
      nacre_value=\${nacre_value%.}
      ;;
  esac
}
mounts() {
  said=$("$NACRE_MOUNT" -n -a -v -T "$1") || fail mount
  case $said in
    *": already mounted"* | *": ignored"*)
      echo "$said" >&2
      fail mount
      ;;
  esac
}
if test "$1" = wait; then
  test -z "$2" || mounts "$2"
  read -r nacre_orders <&7 && . "$nacre_orders" || exit 1
fi
exec 7<&-
cd -P . || fail start
base=$PWD
root=
while test "$1" != begin; do
  operation=$1
  shift
  case $operation in
    mount)
      mounts "$1"
      shift
      ;;
    root)
      decode "$1"
      cd -P "$nacre_value" && root=$PWD && cd -P "$base" || fail root
      shift
      ;;
    walk)
      kind=$1 owner=$2 left=$3
      shift 3
      cd -P "$root" || fail walk
      path=$root
      while test "$left" -gt 0; do
        left=$((left - 1))
        decode "$1"
        shift
        if test "$left$kind" = 0file; then
          test -e "./$nacre_value" || test -L "./$nacre_value" || (set -C && : >"./$nacre_value") || fail walk
          if test -L "./$nacre_value" || ! test -f "./$nacre_value"; then fail walk; fi
          continue
        fi
        if ! test -d "./$nacre_value"; then
          mkdir "./$nacre_value" || fail walk
          test -z "$owner" || chown -h "$owner" "./$nacre_value" || fail walk
        fi
        path=$path/$nacre_value
        cd -P "./$nacre_value" && test "$PWD" = "$path" || fail walk
      done
      cd -P "$base" || fail walk
      ;;
    device)
      umask 0
      cp -dR "/dev/$1" "$root/dev/$1" || fail devices
      umask 022
      shift
      ;;
    secret)
      (umask 077 && : >"secrets/$1") || fail secret
      if test "$2" -gt 0; then
        dd bs="$2" count=1 iflag=fullblock status=none <&6 >"secrets/$1" || fail secret
      fi
      chown "$4" "secrets/$1" && chmod "$3" "secrets/$1" || fail secret
      shift 4
      ;;
    hostname)
      if ! printf '%s' "$1" 2>/dev/null >/proc/sys/kernel/hostname; then
        test "$2" && "$2" "$1" || fail hostname
      fi
      shift 2
      ;;
    loopback)
      case $2 in
        ip) "$1" link set lo up || fail loopback ;;
        ifconfig) "$1" lo up || fail loopback ;;
        busybox) "$1" ifconfig lo up || fail loopback ;;
      esac
      shift 2
      ;;
    output)
      chown "$1" /proc/self/fd/1 || fail output
      shift
      ;;
    *)
      fail operation
      ;;
  esac
done
nacre_mode=$2 nacre_encoded=$3 nacre_secrets=$4 nacre_groups=$5
shift 5
cd -P "$root" && "$NACRE_MOUNT" -n --move . / || fail move
test "$nacre_mode" = terminal || exec <dev/null
unset NACRE_MOUNT PATH LC_ALL LIBMOUNT_FORCE_MOUNT2 PWD OLDPWD
nacre_number=0
while test "$nacre_number" -lt "$nacre_secrets"; do
  eval "decode \\"\\$NACRE_SECRET_$nacre_number\\""
  unset "NACRE_SECRET_$nacre_number"
  export "$1=$nacre_value" || fail variable
  nacre_number=$((nacre_number + 1))
  shift
done
nacre_number=0
while test "$nacre_number" -lt "$nacre_groups"; do
  eval "nacre_group_$nacre_number=\\$1"
  nacre_number=$((nacre_number + 1))
  shift
done
if test "$nacre_encoded" = 1; then
  nacre_number=$#
  while test "$nacre_number" -gt 0; do
    decode "$1"
    shift
    set -- "$@" "$nacre_value"
    nacre_number=$((nacre_number - 1))
  done
fi
while test "$nacre_groups" -gt 0; do
  nacre_groups=$((nacre_groups - 1))
  eval "echo 0 >\\"\\$nacre_group_$nacre_groups\\"" || fail join
done
echo begin >&3
case $nacre_mode in
  log) exec "$@" 2>&1 3>&- 5>&- 6<&- ;;
  terminal) exec "$@" 2>&5 3>&- 5>&- 6<&- ;;
esac
`;

/** The words of an operation. */
export function operation<Name extends keyof SetupOperations>(name: Name, ...words: SetupOperations[Name]): string[] {
  return [name, ...words];
}

/**
 * The words of the operation `walk`.
 * @param path below the root
 * @param owner `uid:gid` of directories that have to be made; empty for root
 */
export function walkOperation(kind: "dir" | "file", path: ByteString, owner: string): string[] {
  const names = path.split("/").filter(Boolean);
  return ["walk", kind, owner, String(names.length), ...names.map((name) => encodeOperand(fromByteString(name)))];
}

/** True if a text holds bytes that are not UTF-8, so that spawn(2) would not get them. */
export function needsEncoding(text: string): boolean {
  return /(?<![\ud800-\udbff])[\udc80-\udcff]/.test(text);
}

/**
 * A text in ASCII, as the script's `decode` (printf's `%b`) reads it. The backslash is escaped too, and so every backslash in the
 * result is the beginning of an octal escape.
 */
export function encodeOperand(text: string): string {
  const bytes = encodeText(text).toString("latin1");
  return bytes.replace(/[\\\x80-\xff]/g, (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** How far the scripts got. */
export interface Control {
  /** Process 1 of the outer pid namespace, and its parent, as /proc numbers them. */
  readonly ready: { readonly first: number; readonly parent: number } | undefined;
  /** The step's process was about to be executed. */
  readonly began: boolean;
  /** Its exit code, or that of what failed before it; 128 + n for signal n. */
  readonly code: number | undefined;
  /** The operation that failed. */
  readonly failed: string | undefined;
}

/** Reads what came through descriptor 3. */
export function parseControl(text: string): Control {
  const ready = /^ready ([0-9]{1,10}) ([0-9]{1,10})\n/m.exec(text);
  const code = /^exit ([0-9]{1,3})\n/m.exec(text)?.[1];
  return {
    ready: ready ? { first: Number(ready[1]), parent: Number(ready[2]) } : undefined,
    began: /^begin\n/m.test(text),
    code: code === undefined ? undefined : Number(code),
    failed: /^fail ([a-z]+)\n/m.exec(text)?.[1],
  };
}
