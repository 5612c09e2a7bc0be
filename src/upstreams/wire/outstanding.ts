/**
 * Which ReadyForQuery messages a server still owes, told from the types of the messages that pass (PostgreSQL
 * documentation, 53.2.3 Extended Query and 53.2.6 COPY Operations): one for each Query, FunctionCall and Sync. But Syncs
 * inside of a COPY FROM STDIN are ignored, those included that were sent before the COPY was seen to begin, and after
 * an error in the extended protocol everything up to Sync is skipped.
 */
import { backendCodes, frontendCodes } from "../../wire/mod.ts";

/** What was sent and is not answered, in order. `query` and `sync` end in ReadyForQuery. */
type Mark = "extended" | "query" | "sync" | "copyEnd";

export class Outstanding {
  #marks: Mark[] = [];
  /** The server takes COPY data, and its end was not sent yet. */
  #copying = false;
  /** After an error, until Sync is sent. */
  #skipping = false;
  #certain = true;

  /** Every message was answered, and no pipeline is open. */
  get none(): boolean {
    return this.#marks.length === 0;
  }

  /** The server waits for COPY data, and for nothing else. */
  get copying(): boolean {
    return this.#copying;
  }

  /** False once messages crossed in a way that leaves it open which of them will be answered. */
  get certain(): boolean {
    return this.#certain;
  }

  /** A message of the client goes to the server. */
  sent(code: number): void {
    switch (code) {
      case frontendCodes.CopyData:
      case frontendCodes.Flush:
        return;
      case frontendCodes.CopyDone:
      case frontendCodes.CopyFail:
        // Sent blindly, it ends a COPY that is yet to begin; out of place it is ignored.
        if (!this.#copying && this.#marks.length > 0) this.#marks.push("copyEnd");
        this.#copying = false;
        return;
    }
    if (this.#copying) {
      // Whether the COPY still runs when this arrives depends on its data. Anything but Sync ends it with an error.
      this.#certain = false;
      this.#copying = code === frontendCodes.Sync;
    } else if (code === frontendCodes.Sync) {
      this.#skipping = false;
      this.#marks.push("sync");
    } else if (code === frontendCodes.Query || code === frontendCodes.FunctionCall) {
      // Behind a pipeline that has no Sync yet, it is skipped if there is an error in that.
      if (this.#marks.at(-1) === "extended") this.#certain = false;
      if (!this.#skipping) this.#marks.push("query");
    } else if (this.#marks.at(-1) !== "extended") this.#marks.push("extended");
  }

  /** A message of the server goes to the client. */
  received(code: number): void {
    switch (code) {
      case backendCodes.CopyInResponse:
        return this.#copyBegins();
      case backendCodes.CommandComplete:
        this.#copying = false;
        return;
      case backendCodes.ErrorResponse:
        this.#copying = false;
        if (this.#marks[0] === "extended") this.#skip();
        // A malformed Flush is not answered, but its error is.
        else if (this.none) this.#skipping = true;
        return;
      case backendCodes.ReadyForQuery:
        return this.#ready();
    }
  }

  /** What was sent behind the COPY before it was known to be one is read as a part of it. */
  #copyBegins(): void {
    for (;;) {
      const [behind] = this.#marks.splice(1, 1);
      if (behind === "sync") continue;
      this.#copying = behind === undefined;
      // Anything else has ended the COPY with an error.
      if (behind === "query" || behind === "extended") this.#certain = false;
      return;
    }
  }

  #skip(): void {
    const sync = this.#marks.indexOf("sync");
    this.#skipping = sync < 0;
    this.#marks.splice(1, (sync < 0 ? this.#marks.length : sync) - 1);
  }

  #ready(): void {
    const marks = this.#marks;
    const answered = marks.findIndex((mark) => mark === "query" || mark === "sync");
    if (answered < 0) this.#certain = false;
    marks.splice(0, answered < 0 ? marks.length : answered + 1);
    // The end of a COPY that had failed before it came.
    while (marks[0] === "copyEnd") marks.shift();
  }
}
