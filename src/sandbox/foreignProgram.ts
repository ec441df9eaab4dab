/**
 * The smallest program of each architecture: it ends at once, with status 0. Whether this kernel executes a platform's
 * programs, by itself or through an emulator, is found out by starting one (as BuildKit's archutil does).
 */

interface Machine {
  /** Of ELF: `e_machine`. */
  readonly number: number;
  readonly bits: 32 | 64;
  readonly order: "little" | "big";
  /** Instructions that call exit(0), as bytes in hex. */
  readonly code: string;
}

/** By the architecture's name in platforms. */
const MACHINES: Readonly<Record<string, Machine>> = {
  amd64: { number: 62, bits: 64, order: "little", code: "b83c000000 31ff 0f05" },
  386: { number: 3, bits: 32, order: "little", code: "b801000000 31db cd80" },
  arm64: { number: 183, bits: 64, order: "little", code: "000080d2 a80b80d2 010000d4" },
  arm: { number: 40, bits: 32, order: "little", code: "0000a0e3 0170a0e3 000000ef" },
  riscv64: { number: 243, bits: 64, order: "little", code: "9308d005 13050000 73000000" },
  ppc64le: { number: 21, bits: 64, order: "little", code: "01000038 00006038 02000044" },
  s390x: { number: 22, bits: 64, order: "big", code: "a7290000 0a01" },
  mips64: { number: 8, bits: 64, order: "big", code: "240213c2 24040000 0000000c" },
  mips64le: { number: 8, bits: 64, order: "little", code: "c2130224 00000424 0c000000" },
  mips: { number: 8, bits: 32, order: "big", code: "24020fa1 24040000 0000000c" },
  mipsle: { number: 8, bits: 32, order: "little", code: "a10f0224 00000424 0c000000" },
  loong64: { number: 258, bits: 64, order: "little", code: "04008003 0b748103 00002b00" },
};

/** ABI flags that a kernel or an emulator asks for: EABI version 5 of arm, ELFv2 of ppc64le, o32 and n64 of mips (System V ABIs). */
const FLAGS: Readonly<Record<string, number>> = {
  arm: 0x05000000,
  ppc64le: 2,
  mips: 0x50001000,
  mipsle: 0x50001000,
  mips64: 0x60000000,
  mips64le: 0x60000000,
  loong64: 0x43,
};

const LOAD_ADDRESS = 0x400000;
const ALIGNMENT = 0x10000;

/**
 * A whole executable for Linux; undefined for an architecture that is not known.
 * @param type 2: linked to one address, 3: position independent (both forms count for what the kernel is told to match)
 */
export function foreignProgram(architecture: string, type: 2 | 3 = 2): Buffer | undefined {
  const machine = MACHINES[architecture];
  if (machine === undefined) return undefined;
  const code = Buffer.from(machine.code.replaceAll(" ", ""), "hex");
  const wide = machine.bits === 64;
  const headers = wide ? 64 + 56 : 52 + 32;
  const file = Buffer.alloc(headers + code.length);
  const little = machine.order === "little";
  const put = (size: 2 | 4 | 8, value: number, at: number): void => {
    if (size === 2) little ? file.writeUInt16LE(value, at) : file.writeUInt16BE(value, at);
    else if (size === 4) little ? file.writeUInt32LE(value, at) : file.writeUInt32BE(value, at);
    else little ? file.writeBigUInt64LE(BigInt(value), at) : file.writeBigUInt64BE(BigInt(value), at);
  };
  /** Writes fields one after the other. */
  const fields = (at: number, ...list: readonly (readonly [size: 2 | 4 | 8, value: number])[]): void => {
    let offset = at;
    for (const [size, value] of list) {
      put(size, value, offset);
      offset += size;
    }
  };
  const word = wide ? 8 : 4;
  const [ehdr, phdr] = wide ? [64, 56] : [52, 32];
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1]);
  fields(
    16,
    ...([
      [2, type],
      [2, machine.number],
      [4, 1],
      [word, LOAD_ADDRESS + headers],
      [word, ehdr],
      [word, 0],
    ] as const),
    ...([
      [4, FLAGS[architecture] ?? 0],
      [2, ehdr],
      [2, phdr],
      [2, 1],
      [2, 0],
      [2, 0],
      [2, 0],
    ] as const),
  );
  const [readable, executable] = [4, 1];
  const flags = [4, readable | executable] as const;
  fields(
    ehdr,
    [4, 1],
    ...(wide ? [flags] : []),
    ...([
      [word, 0],
      [word, LOAD_ADDRESS],
      [word, LOAD_ADDRESS],
      [word, file.length],
      [word, file.length],
    ] as const),
    ...(wide ? [] : [flags]),
    [word, ALIGNMENT],
  );
  file.set(code, headers);
  return file;
}
