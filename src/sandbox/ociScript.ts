/**
 * What the shell around an OCI runtime does: it is process 1 of a pid namespace of its own and sees mounts of its own, so
 * that whatever the runtime leaves (a detached container, its state, mounts) ends with it. The text is constant:
 * everything that varies comes as arguments, the configuration and the secrets through a pipe.
 */
import { DEVICE_NODES } from "./standardMounts.js";

/** The host's models of the nodes that every root has. */
const NODES = DEVICE_NODES.map(({ name }) => `/dev/${name}`).join(" ");

/** How the runtime is run. */
export type OciMode =
  /** It stays, hands its output on to the container, and ends with the container's exit code (crun). */
  | "attached"
  /**
   * It goes once the container runs. Runc keeps standard output and error apart in two pipes while it stays, which loses
   * their order. The container's exit status is read from its remains: process 1 is a `cat` then, which never
   * asks for the remains of its children.
   */
  | "detached"
  /** As `attached`, on the caller's terminal. */
  | "terminal";

/** Exit codes of the shell, where no {@link OciReport} says more. */
export const OCI_FAILURES = { mount: 91, files: 92, group: 93 } as const;

/** Name of the directory with everything of one execution, below the plan's; the script is started there. */
export const OCI_DIRECTORY = "oci";
/** In it: mount point of a tmpfs with the bundle, the secrets, the runtime's state and log. */
export const OCI_PRIVATE = "private";

/**
 * Arguments: how many files of control groups there are, and their names; the mode; `nodes` if device nodes are to be made
 * (`modes` if with other modes than the host's), or nothing; how many secrets; for each of them size, mode, `uid:gid`; then
 * the runtime with its options. Descriptors are those of stepProcess.ts: 2 takes what is told to nacre, 5 is the standard
 * error of a step on a terminal, 6 holds the secrets one after the other, then the configuration. The standard input becomes
 * a node of the step's own, because crun changes its owner.
 */
export const OCI_SCRIPT = `
exec 4>&2 3>&-
umask 022
joins=$1
shift
while test "$joins" -gt 0; do
  { echo 0 >"$1"; } 2>&4 || exit ${OCI_FAILURES.group}
  joins=$((joins - 1))
  shift
done
mount -a -T fstab 2>&4 || exit ${OCI_FAILURES.mount}
p=${OCI_PRIVATE}
mode=$1 nodes=$2 secrets=$3 n=0
shift 3
{
  mkdir $p/secrets || exit ${OCI_FAILURES.files}
  if test "$nodes"; then
    (umask 0 && mkdir $p/nodes && cp -dR ${NODES} $p/nodes/) || exit ${OCI_FAILURES.files}
    test "$nodes" = nodes || chmod 666 $p/nodes/* || exit ${OCI_FAILURES.files}
    test $mode = terminal || exec <$p/nodes/null
  fi
  while test $n -lt "$secrets"; do
    if test "$1" -gt 0; then dd bs="$1" count=1 iflag=fullblock status=none <&6; fi >$p/secrets/$n &&
    chown "$3" $p/secrets/$n && chmod "$2" $p/secrets/$n || exit ${OCI_FAILURES.files}
    n=$((n + 1))
    shift 3
  done
  cat <&6 >$p/config.json && test -s $p/config.json || exit ${OCI_FAILURES.files}
} 2>&4
exec 6<&-
test -x "$1" || { echo "$1 is not there" >&4; exit ${OCI_FAILURES.files}; }
runtime() {
  command=$1
  shift
  "$command" "$@" 4>&- 5>&- 9>&-
}
case $mode in
  terminal)
    runtime "$@" run --bundle $p step 2>&5
    echo "code $?" >&4
    ;;
  attached)
    runtime "$@" run --bundle $p step 2>&1
    echo "code $?" >&4
    ;;
  detached)
    mkfifo $p/end || exit ${OCI_FAILURES.files}
    (
      exec 9>$p/end 4>&-
      runtime "$@" run --detach --pid-file $p/pid --bundle $p step 2>&1 | cat 9>&-
      pid=
      test ! -s $p/pid || pid=$(cat $p/pid)
      while test "$pid"; do
        stat=$(cat "/proc/$pid/stat") || break
        set -- \${stat##*) }
        case $1 in
          Z | X)
            echo "status \${50}" >&9
            break
            ;;
        esac
        sleep 0.02
      done 2>/dev/null
      test ! -s $p/log || cat $p/log >&9
    ) &
    exec cat <$p/end >&4
    ;;
esac
test ! -s $p/log || cat $p/log >&4
`;

/** What came through descriptor 2. */
export interface OciReport {
  /** Exit code of the container's process, 128 and the signal's number if a signal ended it; undefined where nothing was started. */
  readonly code: number | undefined;
  /** The runtime's log, or the words of whatever failed before. */
  readonly words: string;
}

/** Reads what the script has told. */
export function parseOciReport(text: string): OciReport {
  const match = /^(code|status) ([0-9]{1,6})\n/.exec(text);
  if (!match) return { code: undefined, words: text };
  const value = Number(match[2]);
  return { code: match[1] === "code" ? value : exitCode(value), words: text.slice(match[0].length) };
}

/** wait(2): the exit code in the second byte, a signal in the low seven bits. */
function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
