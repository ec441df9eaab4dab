/**
 * The system calls that a RUN's process may not make at level `oci`. What Docker's default profile keeps from a process
 * with Docker's default capabilities is refused with the same error; everything else is allowed, so that a call
 * that is newer than this table does not break a build. Names as in libseccomp; the runtimes skip those that they do not know.
 */

/** One rule of an OCI runtime's configuration (`linux.seccomp.syscalls`). */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ERRNO";
  readonly errnoRet: number;
  readonly args?: readonly SeccompArgument[];
}

/** A comparison of one argument of a call. */
export interface SeccompArgument {
  readonly index: number;
  /** The mask, for `SCMP_CMP_MASKED_EQ`. */
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_MASKED_EQ";
}

/** `linux.seccomp` of an OCI runtime's configuration. */
export interface SeccompProfile {
  readonly defaultAction: "SCMP_ACT_ALLOW";
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

const EPERM = 1;
const ENOSYS = 38;

/** By what they reach for. */
const REFUSED = {
  modules: ["create_module", "delete_module", "finit_module", "get_kernel_syms", "init_module", "query_module"],
  kernel: ["acct", "bpf", "kexec_file_load", "kexec_load", "lookup_dcookie", "nfsservctl", "perf_event_open", "reboot"],
  machine: ["syslog", "vhangup"],
  obsolete: ["_sysctl", "sysfs", "uselib", "ustat"],
  keys: ["add_key", "keyctl", "request_key"],
  mounts: [
    ...["fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree"],
    ...["pivot_root", "umount", "umount2"],
  ],
  namespaces: ["setdomainname", "sethostname", "setns", "unshare"],
  files: ["fanotify_init", "open_by_handle_at", "quotactl", "quotactl_fd", "swapoff", "swapon"],
  memory: ["get_mempolicy", "mbind", "migrate_pages", "move_pages", "set_mempolicy", "set_mempolicy_home_node"],
  processes: ["kcmp", "pidfd_getfd", "process_madvise"],
  clock: ["clock_settime", "clock_settime64", "settimeofday", "stime"],
  hardware: ["ioperm", "iopl", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "vm86", "vm86old"],
  attackSurface: ["io_uring_enter", "io_uring_register", "io_uring_setup", "userfaultfd"],
} as const;

/** Flags of clone(2) that make a namespace: mount, cgroup, uts, ipc, user, pid, network. */
const NAMESPACE_FLAGS = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] as const;

/** Address family that reaches the host of a virtual machine. */
const AF_VSOCK = 40;

/** Names of libseccomp for what a kernel executes; calls of an architecture that is not listed end the process. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  ia32: ["SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  arm: ["SCMP_ARCH_ARM"],
  ppc64: ["SCMP_ARCH_PPC64LE"],
  riscv64: ["SCMP_ARCH_RISCV64"],
  s390x: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
};

/**
 * The profile for a machine.
 * @param arch as `process.arch` names it
 * @returns undefined for a machine whose names are not known: then there is no filter
 */
export function seccompProfile(arch: string): SeccompProfile | undefined {
  const architectures = ARCHITECTURES[arch];
  if (architectures === undefined) return undefined;
  // s390x alone has the flags of clone(2) in the second argument.
  const flags = arch === "s390x" ? 1 : 0;
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures,
    syscalls: [
      refuse(Object.values(REFUSED).flat()),
      // One rule per flag: libseccomp can ask for bits that are all set, not for any of them.
      ...NAMESPACE_FLAGS.map((flag) =>
        refuse(["clone"], { index: flags, value: flag, valueTwo: flag, op: "SCMP_CMP_MASKED_EQ" }),
      ),
      // Its flags lie in memory, where a filter cannot look. C libraries fall back to clone where it is not there.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      refuse(["socket"], { index: 0, value: AF_VSOCK, op: "SCMP_CMP_EQ" }),
    ],
  };
}

function refuse(names: readonly string[], argument?: SeccompArgument): SeccompRule {
  const rule = { names, action: "SCMP_ACT_ERRNO", errnoRet: EPERM } as const;
  return argument ? { ...rule, args: [argument] } : rule;
}
