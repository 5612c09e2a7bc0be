/**
 * What a client's messages tell of its server session that the server itself would not tell later, when the session is to
 * be suspended: the unnamed prepared statement, and names that may be custom settings. Kept for sessions that may be
 * suspended only; everything else is in the server's own views (see suspend.ts).
 */
import type { Frame } from "../../wire/framer.ts";
import { decodeFrontend, frontendCodes } from "../../wire/mod.ts";
import { noTraces, traceText } from "../shared/state.ts";

export interface UnnamedStatement {
  readonly query: string;
  readonly parameterTypes: readonly number[];
}

/** What no view of the server shows: a custom setting whose name is computed, loaded libraries, dblink's connections. */
const untraceable = /set_config\s*\(\s*(?!\s|E?'[^']*'\s*,)|\bload\s+E?'|dblink_connect/i;

/** Names that are kept, which need not all be settings; shared/state.ts stops there, too. */
const maxNames = 1_000;

export class SessionNotes {
  readonly #traces = noTraces();
  #unnamed: UnnamedStatement | undefined;
  #untraceable = false;
  /** Since the client was last idle: the unnamed statement was parsed, or something failed. */
  #parsed = false;
  #failed = false;
  /** A pipeline failed that parsed the unnamed statement, and whether before or behind that is not known. */
  #uncertain = false;

  /** Undefined: none, or it has been replaced by a simple query. */
  get unnamed(): UnnamedStatement | undefined {
    return this.#unnamed;
  }

  /** Names that may be custom settings. */
  get names(): ReadonlySet<string> {
    return this.#traces.customSettings;
  }

  /** Whether what is noted is all that there may be. */
  get complete(): boolean {
    return !this.#untraceable && !this.#uncertain && this.names.size < maxNames;
  }

  /** Takes up the notes of a session that was suspended. */
  resume(names: readonly string[], unnamed: UnnamedStatement | undefined): void {
    for (const name of names) this.#traces.customSettings.add(name);
    this.#unnamed = unnamed;
  }

  /** A message goes to the server. One that cannot be read is the server's to refuse. */
  sent({ code, body }: Frame): void {
    if (code !== frontendCodes.Query && code !== frontendCodes.Parse && code !== frontendCodes.Close) return;
    try {
      const message = decodeFrontend(code, body);
      if (message.type === "Query") {
        this.#unnamed = undefined;
        this.#uncertain = false;
        this.#text(message.query);
      } else if (message.type === "Parse") {
        if (message.statement === "") {
          this.#unnamed = { query: message.query, parameterTypes: message.parameterTypes };
          this.#parsed = true;
        }
        this.#text(message.query);
      } else if (message.type === "Close" && message.kind === "S" && message.name === "") {
        this.#unnamed = undefined;
      }
    } catch {
      this.#uncertain = true;
    }
  }

  /** What is noted is of no use. */
  giveUp(): void {
    this.#untraceable = true;
  }

  /** The server sent an error. */
  failed(): void {
    this.#failed = true;
  }

  /** The client is idle. */
  idle(): void {
    if (this.#parsed) this.#uncertain = this.#failed;
    this.#parsed = false;
    this.#failed = false;
  }

  #text(text: string): void {
    traceText(this.#traces, text);
    this.#untraceable ||= untraceable.test(text);
  }
}
