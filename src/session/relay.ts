/**
 * The phase of a session whose upstream speaks the protocol itself: messages pass in both directions without being
 * decoded. The session keeps framing, limits, time-outs, cancel and the end of the connection.
 */
import type { Frame } from "../wire/framer.ts";
import type { PhaseHost } from "./host.ts";
import type { Phase } from "./phase.ts";
import type { Relay, RelaySession, TransactionStatus } from "./upstream.ts";

export class RelayPhase implements Phase {
  readonly #host: PhaseHost;
  readonly #relay: Relay;
  #idle = true;
  #status: TransactionStatus = "I";
  #closed = false;

  constructor(upstream: RelaySession, host: PhaseHost) {
    this.#host = host;
    this.#relay = upstream.relay({
      send: (frames) => (this.#closed ? undefined : host.output.relay(frames)),
      waiting: () => host.waiting(),
      ready: (status) => this.#ready(status),
      fail: (error) => host.fail(error),
    });
  }

  get idle(): boolean {
    return this.#idle;
  }

  get resting(): boolean {
    return this.#idle && this.#status === "I";
  }

  get answering(): boolean {
    return !this.#idle && !this.#relay.waiting;
  }

  receive(frame: Frame): void {
    this.#idle = false;
    this.#relay.send(frame);
  }

  drained(): void | Promise<void> {
    return this.#relay.flush();
  }

  settle(): void | Promise<void> {
    return this.#relay.settle?.();
  }

  cancel(reason: "user" | "timeout" = "user"): void {
    // The server's own text for a time-out cannot be had through a cancel request.
    if (!this.#idle || reason === "timeout") this.#relay.cancel();
  }

  close(): void | Promise<void> {
    this.#closed = true;
    return this.#relay.close();
  }

  #ready(status: TransactionStatus): void {
    if (this.#closed) return;
    this.#idle = true;
    this.#status = status;
    this.#host.ready(status);
  }
}
