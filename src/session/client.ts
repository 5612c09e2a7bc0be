/**
 * The session's side of `ClientContext`: what an upstream may push to its client. Messages go out at once while the
 * client is idle; notifications that come while a statement runs wait for its end, as PostgreSQL's do.
 */
import type { Login } from "../auth/source.ts";
import type { ErrorFields } from "../wire/error.ts";
import { writeNoticeResponse, writeNotificationResponse, writeParameterStatus } from "../wire/mod.ts";
import type { Channels } from "./channels.ts";
import type { Output } from "./output.ts";
import { Parameters } from "./parameters.ts";
import type { ClientContext, TransactionStatus } from "./upstream.ts";

interface Notification {
  readonly channel: string;
  readonly payload: string;
  readonly processId: number;
}

export class Client implements ClientContext {
  readonly processId: number;
  readonly login: Login;
  readonly suspendable: boolean;
  readonly #output: Output;
  readonly #idle: () => boolean;
  readonly #abort: AbortController = new AbortController();
  /** As the last ReadyForQuery told it: notifications wait for the end of a transaction. */
  status: TransactionStatus = "I";
  /** LISTEN and NOTIFY where the upstream has none and the server has a broker. */
  channels: Channels | undefined;
  /** The upstream was asked to listen. */
  upstreamListens = false;
  #settings: Parameters | undefined;
  #notifications: Notification[] = [];

  constructor(processId: number, login: Login, output: Output, idle: () => boolean, suspendable: boolean) {
    this.processId = processId;
    this.login = login;
    this.suspendable = suspendable;
    this.#output = output;
    this.#idle = idle;
  }

  /** SET, SHOW, RESET and ParameterStatus. Made when it is first asked for: a relay's client never does. */
  get settings(): Parameters {
    this.#settings ??= new Parameters((name, value) =>
      writeParameterStatus(this.#output.writer, name, value),
    );
    return this.#settings;
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.settings.values;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** There is something to tell that was not told yet. */
  get waiting(): boolean {
    return this.#notifications.length > 0;
  }

  notice(message: string, fields?: Partial<ErrorFields>): void {
    if (this.signal.aborted) return;
    writeNoticeResponse(this.#output.writer, { severity: "NOTICE", code: "00000", ...fields, message });
    if (this.#idle()) this.push();
  }

  notify(channel: string, payload: string, processId: number = this.processId): void {
    if (this.signal.aborted) return;
    this.#notifications.push({ channel, payload, processId });
    if (this.#idle()) this.push();
  }

  setParameter(name: string, value: string): void {
    if (this.signal.aborted) return;
    this.settings.report(name, value);
    if (this.#idle()) this.push();
  }

  /** The client is idle now: sends what came while it was not. */
  push(): void {
    if (this.status === "I") this.deliver();
    this.#settings?.announce();
    this.#output.flush();
  }

  /** Writes the notifications that waited; called before ReadyForQuery outside a transaction. */
  deliver(): void {
    if (this.#notifications.length === 0) return;
    for (const { processId, channel, payload } of this.#notifications) {
      writeNotificationResponse(this.#output.writer, processId, channel, payload);
    }
    this.#notifications = [];
  }

  /** The client is gone. */
  leave(): void {
    this.#abort.abort();
  }
}
