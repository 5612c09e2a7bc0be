// Prepared statements, cursors, notifications and COPY: what lives in, or talks to, one session (PostgreSQL
// documentation, PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, MOVE, CLOSE, LISTEN, UNLISTEN, NOTIFY, COPY).
//
// Each function is called behind the verb, and gives undefined for what PostgreSQL's grammar refuses or what is left to
// other statements; that all tokens are taken is checked by the caller.

import type {
  CloseCursorStatement,
  CopyStatement,
  DeallocateStatement,
  DeclareStatement,
  ExecuteStatement,
  FetchStatement,
  ListenStatement,
  NotifyStatement,
  StatementClass,
  UnlistenStatement,
} from "./statement.ts";
import type { TokenCursor } from "./token-cursor.ts";
import { prepareTransaction } from "./transaction-statements.ts";

const preparable: ReadonlySet<string> = new Set(
  "select insert update delete merge values table with".split(" "),
);
const selectable: ReadonlySet<string> = new Set("select values table with".split(" "));

function beginsQuery(cursor: TokenCursor, verbs: ReadonlySet<string>): boolean {
  return verbs.has(cursor.peekWord()) || cursor.peek()?.text === "(";
}

export function prepare(cursor: TokenCursor): StatementClass | undefined {
  const transaction = prepareTransaction(cursor);
  if (transaction !== undefined) return transaction;
  const name = cursor.name();
  const parameterTypes = cursor.peek()?.text === "(" ? cursor.list() : [];
  if (name === undefined || parameterTypes === undefined || !cursor.words("as")) return undefined;
  if (!beginsQuery(cursor, preparable)) return undefined;
  return { type: "prepare", name, parameterTypes, statement: cursor.rest() };
}

export function execute(cursor: TokenCursor): ExecuteStatement | undefined {
  const name = cursor.name();
  const values = cursor.atEnd ? [] : cursor.list();
  return name === undefined || values === undefined
    ? undefined
    : { type: "execute", name, arguments: values };
}

export function deallocate(cursor: TokenCursor): DeallocateStatement | undefined {
  if (cursor.peekWord() === "prepare" && cursor.peek(1) !== undefined) cursor.skip();
  if (cursor.words("all")) return { type: "deallocate", name: undefined };
  const name = cursor.name();
  return name === undefined ? undefined : { type: "deallocate", name };
}

export function declare(cursor: TokenCursor): DeclareStatement | undefined {
  const name = cursor.name();
  if (name === undefined) return undefined;
  let scroll: boolean | undefined;
  let binary = false;
  let sensitive: boolean | undefined;
  for (;;) {
    const scrolls = cursor.words("no scroll") ? false : cursor.words("scroll") ? true : undefined;
    const senses = cursor.words("asensitive") ? true : cursor.words("insensitive") ? false : undefined;
    if (scrolls === undefined && senses === undefined) {
      if (!cursor.words("binary")) break;
      binary = true;
    }
    // Contradictions are 42P11, for PostgreSQL to say.
    if ((scrolls ?? scroll) !== (scroll ?? scrolls)) return undefined;
    if ((senses ?? sensitive) !== (sensitive ?? senses)) return undefined;
    scroll ??= scrolls;
    sensitive ??= senses;
  }
  if (!cursor.words("cursor")) return undefined;
  const hold = cursor.words("with hold");
  if (!hold) cursor.words("without hold");
  if (!cursor.words("for") || !beginsQuery(cursor, selectable)) return undefined;
  return { type: "declare", name, hold, scroll, binary, query: cursor.rest() };
}

export function fetch(cursor: TokenCursor): FetchStatement | undefined {
  return fetchOrMove(cursor, "fetch");
}

export function move(cursor: TokenCursor): FetchStatement | undefined {
  return fetchOrMove(cursor, "move");
}

type Reach = Pick<FetchStatement, "direction" | "count">;

const reaches: ReadonlyMap<string, Reach> = new Map([
  ["next", { direction: "forward", count: 1 }],
  ["prior", { direction: "backward", count: 1 }],
  ["first", { direction: "absolute", count: 1 }],
  ["last", { direction: "absolute", count: -1 }],
  ["all", { direction: "forward", count: Number.POSITIVE_INFINITY }],
]);

function fetchOrMove(cursor: TokenCursor, type: FetchStatement["type"]): FetchStatement | undefined {
  // Alone, every word of direction is a cursor's name.
  const reach = cursor.peek(1) === undefined ? undefined : fetchReach(cursor);
  if (!cursor.words("from")) cursor.words("in");
  const name = cursor.name();
  if (name === undefined) return undefined;
  return { type, cursor: name, ...(reach ?? { direction: "forward", count: 1 }) };
}

function fetchReach(cursor: TokenCursor): Reach | undefined {
  const word = cursor.peekWord();
  const plain = reaches.get(word);
  if (plain !== undefined) {
    cursor.skip();
    return plain;
  }
  if (word === "absolute" || word === "relative") {
    cursor.skip();
    const count = cursor.integer();
    // The number is required: with nothing left, no name is found.
    if (count === undefined) cursor.rest();
    return { direction: word, count: count ?? 0 };
  }
  if (word === "forward" || word === "backward") {
    cursor.skip();
    return {
      direction: word,
      count: cursor.words("all") ? Number.POSITIVE_INFINITY : (cursor.integer() ?? 1),
    };
  }
  const count = cursor.integer();
  return count === undefined ? undefined : { direction: "forward", count };
}

export function close(cursor: TokenCursor): CloseCursorStatement | undefined {
  if (cursor.words("all")) return { type: "closeCursor", name: undefined };
  const name = cursor.name();
  return name === undefined ? undefined : { type: "closeCursor", name };
}

export function listen(cursor: TokenCursor): ListenStatement | undefined {
  const channel = cursor.name();
  return channel === undefined ? undefined : { type: "listen", channel };
}

export function unlisten(cursor: TokenCursor): UnlistenStatement | undefined {
  if (cursor.symbol("*")) return { type: "unlisten", channel: undefined };
  const channel = cursor.name();
  return channel === undefined ? undefined : { type: "unlisten", channel };
}

export function notify(cursor: TokenCursor): NotifyStatement | undefined {
  const channel = cursor.name();
  const payload = cursor.symbol(",") ? cursor.string() : "";
  return channel === undefined || payload === undefined ? undefined : { type: "notify", channel, payload };
}

/** Options are not looked at: they do not change where the data goes. */
export function copy(cursor: TokenCursor): CopyStatement | undefined {
  const query = cursor.peek()?.text === "(";
  if (query) {
    if (!cursor.parentheses()) return undefined;
  } else {
    cursor.words("binary");
    if (cursor.dottedName("relation") === undefined) return undefined;
    if (cursor.peek()?.text === "(" && !cursor.parentheses()) return undefined;
  }
  const from = !query && cursor.words("from");
  if (!from && !cursor.words("to")) return undefined;
  const program = cursor.words("program");
  const stream = !program && (cursor.words("stdin") || cursor.words("stdout"));
  if (!stream && cursor.string() === undefined) return undefined;
  cursor.rest();
  return { type: "copy", direction: !stream ? "file" : from ? "in" : "out" };
}
