/**
 * LISTEN on a shared backend: it listens to the channels of all its clients, and each notification goes to those who
 * asked for it. Which client asked for what is known from the statements that ran; the backend has the last word.
 */
import { classify } from "../../sql/classify.ts";
import { splitStatements } from "../../sql/split.ts";
import type { SharedBackend } from "./backend.ts";
import { identifier } from "./state.ts";

/** LISTEN, or UNLISTEN (of everything, where no channel is named). */
export interface ChannelChange {
  readonly type: "listen" | "unlisten";
  readonly channel: string | undefined;
}

const mayMatter = /\b(un)?listen\b|\bdiscard\b|\bsavepoint\b/i;

/** ROLLBACK TO undoes what came behind the last savepoint of its name; RELEASE forgets that one and those behind it. */
interface SavepointChange {
  readonly type: "savepoint" | "release" | "rollbackTo";
  readonly name: string;
}

/** A statement of a text that was sent: what it does when its command tag comes. */
type Planned = ChannelChange | SavepointChange | { readonly type: "commit" | "rollback" };

/** Which planned statements a command tag may stand for; COMMIT of a failed block has the tag ROLLBACK. */
const planned: ReadonlyMap<string, readonly Planned["type"][]> = new Map<string, readonly Planned["type"][]>([
  ["LISTEN", ["listen"]],
  ["UNLISTEN", ["unlisten"]],
  ["DISCARD ALL", ["unlisten"]],
  ["SAVEPOINT", ["savepoint"]],
  ["RELEASE", ["release"]],
  ["COMMIT", ["commit"]],
  ["ROLLBACK", ["rollback", "rollbackTo", "commit"]],
]);

/**
 * LISTEN and UNLISTEN of one turn: those in the texts that were sent, of which the command tags tell which ran. They
 * count when their transaction is committed.
 */
export class ChannelChanges {
  #planned: Planned[] = [];
  /** Those of the transaction at hand, and its savepoints. */
  #open: (ChannelChange | SavepointChange)[] = [];
  #failed = false;
  #committed: ChannelChange[] = [];

  /** Those that ran, committed or not. */
  get ran(): readonly ChannelChange[] {
    return [...this.#committed, ...this.#open.filter(isChange)];
  }

  /** SQL was sent. */
  plan(text: string): void {
    if (this.#planned.length === 0 && this.#open.length === 0 && !mayMatter.test(text)) return;
    try {
      for (const statement of splitStatements(text)) {
        const kind = classify(statement.text);
        switch (kind.type) {
          case "listen":
          case "unlisten":
          case "savepoint":
          case "release":
          case "rollbackTo":
            this.#planned.push(kind);
            break;
          case "commit":
          case "rollback":
            this.#planned.push({ type: kind.type });
            break;
          case "discard":
            if (kind.what === "all") this.#planned.push({ type: "unlisten", channel: undefined });
        }
      }
    } catch {
      // A syntax error: nothing of it will run.
    }
  }

  /** A statement ran: the next one of those that were sent; what failed before it is passed over. */
  completed(tag: string): void {
    const types = planned.get(tag);
    if (!types) return;
    const at = this.#planned.findIndex(({ type }) => types.includes(type));
    const statement = this.#planned[at];
    if (!statement) return;
    this.#planned.splice(0, at + 1);
    switch (statement.type) {
      case "commit":
      case "rollback":
        this.#end(tag === "COMMIT");
        break;
      case "rollbackTo":
        this.#open = this.#open.slice(0, this.#savepoint(statement.name) + 1);
        break;
      case "release": {
        const at = this.#savepoint(statement.name);
        this.#open = this.#open.filter((each, index) => index < at || isChange(each));
        break;
      }
      default:
        this.#open.push(statement);
    }
  }

  /** Where the last savepoint of that name is. One that nobody was seen to set comes before all that is known. */
  #savepoint(name: string): number {
    return this.#open.findLastIndex((each) => each.type === "savepoint" && each.name === name);
  }

  /** An error came. */
  failed(): void {
    this.#failed = true;
  }

  /** ReadyForQuery came outside of a transaction: an implicit one has ended. */
  idle(): void {
    this.#end(!this.#failed);
    this.#failed = false;
  }

  /** The turn is over: gives what was committed. */
  take(): readonly ChannelChange[] {
    const committed = this.#committed;
    this.#committed = [];
    this.#open = [];
    this.#planned = [];
    return committed;
  }

  #end(committed: boolean): void {
    if (committed) this.#committed.push(...this.#open.filter(isChange));
    this.#open = [];
  }
}

function isChange(each: ChannelChange | SavepointChange): each is ChannelChange {
  return each.type === "listen" || each.type === "unlisten";
}

export class ListenerChannels {
  #names: Set<string> = new Set();

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** The channels as they would be after the changes. */
  after(changes: readonly ChannelChange[]): Set<string> {
    const wanted = new Set(this.#names);
    for (const { type, channel } of changes) {
      if (channel === undefined) wanted.clear();
      else if (type === "listen") wanted.add(channel);
      else wanted.delete(channel);
    }
    return wanted;
  }

  /** Applies what was asked for in one turn. `actual`: what the backend listens to now; `before`: what it did before. */
  apply(changes: readonly ChannelChange[], actual: ReadonlySet<string>, before: ReadonlySet<string>): void {
    const wanted = this.after(changes);
    // A LISTEN that was rolled back is not there; one that a function ran is there without having been seen.
    this.#names = new Set([...wanted].filter((name) => actual.has(name)));
    for (const name of actual) if (!before.has(name)) this.#names.add(name);
  }

  clear(): void {
    this.#names.clear();
  }
}

/** Brings the backend's channels to those that clients want: a client's UNLISTEN * ended the others' too. */
export async function relisten(
  backend: SharedBackend,
  actual: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): Promise<void> {
  const statements: string[] = [];
  for (const name of wanted) if (!actual.has(name)) statements.push(`LISTEN ${identifier(name)}`);
  for (const name of actual) if (!wanted.has(name)) statements.push(`UNLISTEN ${identifier(name)}`);
  if (statements.length > 0) await backend.query(["SELECT 1", ...statements].join("; "));
}
