/**
 * What a pipeline comes to, before any of it is run: the statements that its Executes run, if nothing else can go wrong
 * on the way than those statements themselves. An upstream can then take them as a batch, which cannot be undone when
 * the fault is found in a later message.
 */

import { beginsBlock, endsBlock } from "./batch.ts";
import { makePortal } from "./bind.ts";
import { after, isPromise, type RunningCall } from "./call.ts";
import { typesOf } from "./conversion.ts";
import { describe } from "./description.ts";
import { type ExtendedMessage, isExecuteOf, type Message } from "./pipeline.ts";
import { type Portal, type PreparedStatement, prepareStatement } from "./prepared.ts";
import { formatOf } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import type { Statement } from "./upstream.ts";

/** What Parse and Bind messages make, which need not be made twice, and what the Executes run, in their order. */
export interface Foreseen {
  readonly prepared: ReadonlyMap<ExtendedMessage, PreparedStatement>;
  readonly portals: ReadonlyMap<ExtendedMessage, Portal>;
  readonly statements: readonly Statement[];
  /** The tag of the BEGIN in front of them, which a COMMIT behind them answers to; neither is among them. */
  readonly block: string | undefined;
}

/** Undefined: it is to be run one message after the other, and has whatever error it has then. */
export async function foresee(
  context: StatementContext,
  messages: readonly ExtendedMessage[],
  call: RunningCall,
): Promise<Foreseen | undefined> {
  const foresight = new Foresight(context, call);
  try {
    for (const [at, message] of messages.entries()) {
      const plain = foresight.see(message, messages[at + 1]);
      if (!(isPromise(plain) ? await plain : plain)) return undefined;
    }
    if (!foresight.complete) return undefined;
  } catch {
    call.check();
    return undefined;
  }
  return foresight;
}

class Foresight implements Foreseen {
  readonly prepared: Map<ExtendedMessage, PreparedStatement> = new Map();
  readonly portals: Map<ExtendedMessage, Portal> = new Map();
  readonly statements: Statement[] = [];
  block: string | undefined;
  #committed = false;
  readonly #context: StatementContext;
  readonly #call: RunningCall;
  /** The statements that there will be, by name; undefined where one was closed. */
  readonly #named: Map<string, PreparedStatement | undefined> = new Map();
  #added = 0;
  #addedText = 0;
  /** The unnamed portal: others may meet limits, or those that are there. */
  #portal: Portal | undefined;
  #changesSchema = false;

  constructor(context: StatementContext, call: RunningCall) {
    this.#context = context;
    this.#call = call;
  }

  /** Whether there is a COMMIT for a BEGIN, and something to run. */
  get complete(): boolean {
    return this.statements.length > 0 && (this.block !== undefined) === this.#committed;
  }

  /** Whether a message can be foreseen. @throws PgError where it is going to fail */
  see(message: ExtendedMessage, next: ExtendedMessage | undefined): boolean | Promise<boolean> {
    switch (message.type) {
      case "Parse":
        return this.#parse(message);
      case "Bind":
        return message.portal === "" && this.#bind(message);
      case "Describe":
        if (message.kind === "S") return this.#described(this.#statement(message.name));
        // Then the result itself tells the columns.
        return message.name === "" && isExecuteOf(next, "");
      case "Execute":
        return message.portal === "" && message.maxRows <= 0 && this.#execute();
      case "Close":
        if (message.kind === "S") this.#named.set(message.name, undefined);
        else if (message.name === "") this.#portal = undefined;
        else return false;
        return true;
    }
  }

  #parse(message: Message<"Parse">): boolean {
    const { statement: name, query } = message;
    const statement = prepareStatement(name, query, message.parameterTypes);
    if (!canBeForeseen(statement)) return false;
    if (name !== "") {
      if (this.#has(name)) return false;
      this.#added++;
      this.#addedText += query.length;
      if (!this.#context.prepared.hasRoom(this.#added, this.#addedText)) return false;
    }
    this.#named.set(name, statement);
    this.prepared.set(message, statement);
    return true;
  }

  #bind(message: Message<"Bind">): boolean | Promise<boolean> {
    const statement = this.#statement(message.statement);
    if (!statement || !canBeForeseen(statement)) return false;
    return after(makePortal(this.#context, message, statement, this.#call), (portal) => {
      this.portals.set(message, portal);
      this.#portal = portal;
      return this.#canBeSent(portal);
    });
  }

  /** Whether a result can be sent in the formats that the client asks for: too late to find out when it is there. */
  #canBeSent({ statement, resultFormats }: Portal): boolean | Promise<boolean> {
    if (resultFormats.some((format) => format !== 0 && format !== 1)) return false;
    // The columns that the client was told are those that it is going to get.
    if (statement.description && this.#changesSchema) return false;
    if (statement.kind?.type === "other" && statement.kind.returnsRows === false) {
      return resultFormats.length <= 1;
    }
    if (resultFormats.length <= 1 && formatOf(resultFormats, 0) === 0) return true;
    return after(this.#described(statement), (known) => {
      const columns = statement.description?.columns ?? [];
      if (!known || (resultFormats.length > 1 && resultFormats.length !== columns.length)) return false;
      const binary = columns.filter((_, at) => formatOf(resultFormats, at) === 1);
      const oids = binary.map(({ typeOid = 0 }) => typeOid);
      return after(typesOf(this.#context.upstream, oids, this.#call), (types) =>
        oids.every((typeOid) => typeOid === 0 || types.find(typeOid) !== undefined),
      );
    });
  }

  #execute(): boolean {
    const portal = this.#portal;
    if (!portal) return false;
    // A portal cannot be run twice.
    this.#portal = undefined;
    const { sql, kind } = portal.statement;
    // Behind COMMIT another transaction would begin.
    if (this.#committed) return false;
    if (kind?.type === "begin") {
      if (this.statements.length > 0 || this.block !== undefined) return false;
      this.block = kind.verb;
      return true;
    }
    if (kind?.type === "commit") {
      this.#committed = true;
      return true;
    }
    const { parameters, parameterTypes, resultFormats } = portal;
    this.#changesSchema ||= kind?.type !== "other" || !schemaless.has(kind.verb);
    this.statements.push({ sql, parameters, parameterTypes, resultFormats });
    return true;
  }

  #described(statement: PreparedStatement | undefined): boolean | Promise<boolean> {
    if (!statement || this.#changesSchema) return false;
    return after(describe(this.#context, statement, this.#call), () => true);
  }

  #statement(name: string): PreparedStatement | undefined {
    return this.#named.has(name) ? this.#named.get(name) : this.#context.prepared.get(name);
  }

  #has(name: string): boolean {
    return this.#named.has(name) ? this.#named.get(name) !== undefined : this.#context.prepared.has(name);
  }
}

/** What the session answers itself changes what comes behind it; BEGIN and COMMIT do not, around all there is. */
function canBeForeseen({ kind }: PreparedStatement): boolean {
  return kind?.type === "other" || beginsBlock(kind) || endsBlock(kind);
}

/** Tags of statements behind which a description still holds. */
const schemaless: ReadonlySet<string> = new Set(["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"]);
