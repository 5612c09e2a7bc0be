/**
 * The session's side of `ClientContext`: what an upstream may push to its client. Messages go out at once while the
 * client is idle; notifications that come while a statement runs wait for its end, as PostgreSQL's do.
 */
import type { Login } from "../auth/source.ts";
import type { ErrorFields } from "../wire/error.ts";
import { writeNoticeResponse, writeNotificationResponse, writeParameterStatus } from "../wire/mod.ts";
import type { Output } from "./output.ts";
import { Parameters } from "./parameters.ts";
import type { ClientContext } from "./upstream.ts";

interface Notification {
  readonly channel: string;
  readonly payload: string;
  readonly processId: number;
}

export class Client implements ClientContext {
  readonly processId: number;
  readonly login: Login;
  /** SET, SHOW, RESET and ParameterStatus. */
  readonly settings: Parameters;
  readonly #output: Output;
  readonly #idle: () => boolean;
  readonly #abort: AbortController = new AbortController();
  #notifications: Notification[] = [];

  constructor(processId: number, login: Login, output: Output, idle: () => boolean) {
    this.processId = processId;
    this.login = login;
    this.#output = output;
    this.#idle = idle;
    this.settings = new Parameters((name, value) => {
      writeParameterStatus(output.writer, name, value);
      this.#push();
    });
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.settings.values;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  notice(message: string, fields?: Partial<ErrorFields>): void {
    if (this.signal.aborted) return;
    writeNoticeResponse(this.#output.writer, { severity: "NOTICE", code: "00000", ...fields, message });
    this.#push();
  }

  notify(channel: string, payload: string, processId: number = this.processId): void {
    if (this.signal.aborted) return;
    this.#notifications.push({ channel, payload, processId });
    if (this.#idle()) {
      this.deliver();
      this.#push();
    }
  }

  setParameter(name: string, value: string): void {
    if (!this.signal.aborted) this.settings.report(name, value);
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

  #push(): void {
    if (this.#idle()) this.#output.flush();
  }
}
