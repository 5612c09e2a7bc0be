// Where a SessionObject keeps the snapshot of its suspended session: in its SQLite storage, in pieces, for a value there
// may have 2 MB and a session may have prepared more SQL than that.
import type { SessionSnapshot } from "../../src/session/mod.ts";

/** Bytes. */
const pieceLength = 1_000_000;

export class SnapshotStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Whether there ever was a snapshot. Asking costs nothing; making the table would be a write. */
  get used(): boolean {
    const { sql } = this.#storage;
    return sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'snapshot'").toArray().length > 0;
  }

  put(snapshot: SessionSnapshot): void {
    const bytes = new TextEncoder().encode(JSON.stringify(snapshot));
    const { sql } = this.#storage;
    this.#storage.transactionSync(() => {
      sql.exec("CREATE TABLE IF NOT EXISTS snapshot (piece INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
      sql.exec("DELETE FROM snapshot");
      for (let at = 0, piece = 0; at < bytes.length; at += pieceLength, piece++) {
        sql.exec("INSERT INTO snapshot VALUES (?, ?)", piece, bytes.slice(at, at + pieceLength));
      }
    });
  }

  read(): SessionSnapshot | undefined {
    if (!this.used) return undefined;
    const { sql } = this.#storage;
    const pieces = sql.exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM snapshot ORDER BY piece").toArray();
    if (pieces.length === 0) return undefined;
    const decoder = new TextDecoder();
    const text = pieces.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join("");
    return JSON.parse(text) as SessionSnapshot;
  }

  /** A session that is in memory has none: what is left of an object that lost its memory must not be taken up twice. */
  take(): SessionSnapshot | undefined {
    const snapshot = this.read();
    if (snapshot) this.#storage.sql.exec("DELETE FROM snapshot");
    return snapshot;
  }
}
