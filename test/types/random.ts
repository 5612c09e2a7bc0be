/** Reproducible chance: the same seed gives the same values on every machine. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed | 0 || 1;
  }

  /** 32 bits. */
  bits(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return from + Math.floor((this.bits() / 2 ** 32) * (to - from + 1));
  }

  /** A whole number of up to `bits` bits, small ones as often as large ones, with a sign. */
  bigint(bits: number): bigint {
    const size = this.int(0, bits);
    let value = 0n;
    for (let at = 0; at < size; at += 32) value = (value << 32n) | BigInt(this.bits());
    return BigInt.asIntN(bits, this.chance(0.5) ? -BigInt.asUintN(size, value) : BigInt.asUintN(size, value));
  }

  chance(share: number): boolean {
    return this.bits() / 2 ** 32 < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.int(0, items.length - 1)] as Item;
  }

  list<Item>(from: number, to: number, make: () => Item): Item[] {
    return Array.from({ length: this.int(from, to) }, make);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.bits() & 0xff);
  }

  digits(from: number, to: number): string {
    return this.list(from, to, () => this.int(0, 9)).join("");
  }

  /** Text with what makes writers of quotes and escapes stumble. */
  text(from = 0, to = 12): string {
    return this.list(from, to, () => this.pick(characters)).join("");
  }

  hex(length: number): string {
    return Array.from({ length }, () => this.int(0, 15).toString(16)).join("");
  }
}

const characters = [..."aabbccxyzAZ019 _-.,;:'\"\\{}()[]<>=&|!*/%$\t\n", "é", "ß", "日", "😀", " ", "\u00a0"];
