/** A connection in memory: keeps what the session writes, and can be full, closed, or ask for TLS. */
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { Transport } from "../../src/session/mod.ts";

export interface MemoryTransportOptions {
  readonly tls?: TlsInfo;
  /** Present: TLS can be started, with this result. */
  readonly startTls?: () => Promise<TlsInfo>;
  readonly address?: string;
}

export class MemoryTransport implements Transport {
  /** Each write as it came, not copied: what the session did to this memory later would show. */
  readonly writes: Uint8Array[] = [];
  tls: TlsInfo | undefined;
  readonly address: string | undefined;
  readonly startTls?: () => Promise<TlsInfo>;
  /** While true, a write gives a promise that `drain` settles. */
  full = false;
  ended = false;
  destroyed = false;
  /** Called at each write and at the end. */
  onChange: () => void = () => {};
  #drained: PromiseWithResolvers<void> | undefined;

  constructor({ tls, startTls, address }: MemoryTransportOptions = {}) {
    this.tls = tls;
    this.address = address;
    if (startTls) {
      this.startTls = async () => {
        this.tls = await startTls();
        return this.tls;
      };
    }
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.ended || this.destroyed) throw new Error("written to after the end");
    this.writes.push(bytes);
    this.onChange();
    if (!this.full) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** The peer has read everything. */
  drain(): void {
    this.full = false;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  end(): void {
    this.ended = true;
    this.onChange();
  }

  destroy(): void {
    this.destroyed = true;
    this.onChange();
  }
}
