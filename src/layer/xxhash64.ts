/**
 * XXH64, the checksum at the end of zstd frames (xxHash specification, "XXH64 Algorithm Description"). Only for
 * detecting damage. Numbers of 64 bits are kept as two halves, because BigInt is ten times slower.
 */

const P1H = 0x9e3779b1;
const P1L = 0x85ebca87;
const P2H = 0xc2b2ae3d;
const P2L = 0x27d4eb4f;
const P3H = 0x165667b1;
const P3L = 0x9e3779f9;
const P4H = 0x85ebca77;
const P4L = 0xc2b2ae63;
const P5H = 0x27d4eb2f;
const P5L = 0x165667c5;

const STRIPE = 32;

/** The two halves of the last result of the arithmetic below. */
let high = 0;
let low = 0;

function multiply(ah: number, al: number, bh: number, bl: number): void {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const middle = a0 * b1 + a1 * b0 + (((a0 * b0) / 0x10000) >>> 0);
  const carry = a1 * b1 + Math.floor(middle / 0x10000);
  high = (carry + Math.imul(ah, bl) + Math.imul(al, bh)) | 0;
  low = Math.imul(al, bl);
}

function add(ah: number, al: number, bh: number, bl: number): void {
  const sum = (al >>> 0) + (bl >>> 0);
  high = (ah + bh + (sum > 0xffffffff ? 1 : 0)) | 0;
  low = sum | 0;
}

/** Rotates left by `bits`, 1 to 31. */
function rotate(ah: number, al: number, bits: number): void {
  high = (ah << bits) | (al >>> (32 - bits));
  low = (al << bits) | (ah >>> (32 - bits));
}

/** Mixes 8 bytes of input into an accumulator. */
function round(ah: number, al: number, ih: number, il: number): void {
  multiply(ih, il, P2H, P2L);
  add(ah, al, high, low);
  rotate(high, low, 31);
  multiply(high, low, P1H, P1L);
}

/** A running XXH64 with seed 0. */
export class XxHash64 {
  /** Four accumulators, high half first. */
  readonly #lanes = new Int32Array(8);
  readonly #rest = Buffer.alloc(STRIPE);
  #filled = 0;
  #total = 0;

  constructor() {
    add(P1H, P1L, P2H, P2L);
    this.#setLane(0);
    high = P2H | 0;
    low = P2L | 0;
    this.#setLane(1);
    high = low = 0;
    this.#setLane(2);
    add(0, 0, ~P1H, -P1L);
    this.#setLane(3);
  }

  /** The next bytes. */
  update(bytes: Buffer): void {
    this.#total += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = bytes.copy(this.#rest, this.#filled, 0, STRIPE - this.#filled);
      this.#filled += at;
      if (this.#filled < STRIPE) return;
      this.#stripe(this.#rest, 0);
    }
    for (; at + STRIPE <= bytes.length; at += STRIPE) this.#stripe(bytes, at);
    this.#filled = bytes.copy(this.#rest, 0, at);
  }

  /** The low 32 bits of the hash, which are what zstd stores. Ends the hash. */
  low32(): number {
    if (this.#total >= STRIPE) this.#mergeLanes();
    else add(0, 0, P5H, P5L);
    add(high, low, Math.floor(this.#total / 2 ** 32), this.#total | 0);
    this.#mixRest();
    this.#avalanche();
    return low >>> 0;
  }

  #setLane(lane: number): void {
    this.#lanes[2 * lane] = high;
    this.#lanes[2 * lane + 1] = low;
  }

  #stripe(bytes: Buffer, at: number): void {
    for (let lane = 0; lane < 4; lane++) {
      const from = at + 8 * lane;
      round(this.#lanes[2 * lane]!, this.#lanes[2 * lane + 1]!, int32(bytes, from + 4), int32(bytes, from));
      this.#setLane(lane);
    }
  }

  #mergeLanes(): void {
    let sumHigh = 0;
    let sumLow = 0;
    for (const [lane, bits] of [1, 7, 12, 18].entries()) {
      rotate(this.#lanes[2 * lane]!, this.#lanes[2 * lane + 1]!, bits);
      add(sumHigh, sumLow, high, low);
      sumHigh = high;
      sumLow = low;
    }
    for (let lane = 0; lane < 4; lane++) {
      round(0, 0, this.#lanes[2 * lane]!, this.#lanes[2 * lane + 1]!);
      multiply(sumHigh ^ high, sumLow ^ low, P1H, P1L);
      add(high, low, P4H, P4L);
      sumHigh = high;
      sumLow = low;
    }
  }

  /** The last bytes that fill no stripe: by eight, then by four, then singly. */
  #mixRest(): void {
    const rest = this.#rest;
    let at = 0;
    for (; at + 8 <= this.#filled; at += 8) {
      const [h, l] = [high, low];
      round(0, 0, int32(rest, at + 4), int32(rest, at));
      rotate(high ^ h, low ^ l, 27);
      multiply(high, low, P1H, P1L);
      add(high, low, P4H, P4L);
    }
    if (at + 4 <= this.#filled) {
      const [h, l] = [high, low];
      multiply(0, int32(rest, at), P1H, P1L);
      rotate(high ^ h, low ^ l, 23);
      multiply(high, low, P2H, P2L);
      add(high, low, P3H, P3L);
      at += 4;
    }
    for (; at < this.#filled; at++) {
      const [h, l] = [high, low];
      multiply(0, rest[at]!, P5H, P5L);
      rotate(high ^ h, low ^ l, 11);
      multiply(high, low, P1H, P1L);
    }
  }

  #avalanche(): void {
    // Shifts by 33, 29 and 32 bits.
    multiply(high, low ^ (high >>> 1), P2H, P2L);
    multiply(high ^ (high >>> 29), low ^ ((low >>> 29) | (high << 3)), P3H, P3L);
    low ^= high;
  }
}

function int32(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
