/** The embedded default: sessions that share one PGlite, which speaks the protocol itself. */
import { openPglite } from "../../adapters/node/pglite.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { sharedUpstream } from "../../src/upstreams/shared/upstream.ts";
import { refuseErrors } from "./pglite-target.ts";
import { ended, login, openSession, type TestUpstream } from "./session-target.ts";
import { resetStatements } from "./target.ts";
import { join, query } from "./transcript.ts";

export class RelayUpstream implements TestUpstream {
  readonly name = "relay";
  readonly upstream: Upstream;

  private constructor(upstream: Upstream) {
    this.upstream = upstream;
  }

  static async start(): Promise<RelayUpstream> {
    return new RelayUpstream(sharedUpstream(await openPglite(undefined)));
  }

  /** By a client of its own: what it leaves behind must not be seen by the next one. */
  async reset(setup = ""): Promise<void> {
    const { client, session } = openSession(this.upstream);
    await login(client);
    const statements = [...resetStatements, setup];
    await client.send(join(statements.map(query) as Uint8Array[]));
    for (const statement of statements) await client.until((frame) => frame.code === "Z", statement);
    refuseErrors(client.bytes);
    client.destroy();
    await ended(session);
  }

  async close(): Promise<void> {
    await this.upstream.close?.();
  }
}
