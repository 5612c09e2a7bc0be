/** The suite's part on what comes unasked, cancel, and the end. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { cancel, copyOut, pipeline, query } from "../../src/client/mod.ts";
import type { ErrorFields } from "../../src/wire/mod.ts";
import type { Fixture } from "./fixture.ts";
import { collect, errorOf } from "./outcome.ts";

export function eventSuite(fixture: Fixture): void {
  describe("what comes unasked", () => {
    test("notices", async () => {
      const notices: ErrorFields[] = [];
      const other = await fixture.another({ onNotice: (fields) => notices.push(fields) });
      await query(other, "DO $$ BEGIN RAISE WARNING 'w' USING DETAIL = 'd', HINT = 'h'; END $$");
      other.close();
      expect(notices).toMatchObject([
        { severity: "WARNING", code: "01000", message: "w", detail: "d", hint: "h" },
      ]);
    });

    test("settings that change", async () => {
      const changes: string[] = [];
      const other = await fixture.another({ onParameter: (name, value) => changes.push(`${name}=${value}`) });
      expect(other.parameters.get("server_encoding")).toBe("UTF8");
      await query(other, "SET TimeZone = 'Asia/Tokyo'; SET application_name = 'me'");
      expect(changes).toEqual(expect.arrayContaining(["TimeZone=Asia/Tokyo", "application_name=me"]));
      expect(other.parameters.get("TimeZone")).toBe("Asia/Tokyo");
      other.close();
    });

    test("a client_encoding that is not ours", async () => {
      const other = await fixture.another();
      // Who lets it through ends the connection; PGlite, which cannot recode, refuses it itself.
      expect(await errorOf(query(other, "SET client_encoding = 'LATIN1'; SELECT 'x'"))).toMatch(
        /^(FATAL|ERROR) 0A000 /,
      );
    });

    test("settings of the start", async () => {
      const settings = {
        application_name: "named",
        options: "-c statement_timeout=7s",
        TimeZone: "Europe/Paris",
      };
      const other = await fixture.another({}, settings);
      const shown = await pipeline(other, [
        { sql: "SHOW application_name" },
        { sql: "SHOW statement_timeout" },
        { sql: "SHOW TimeZone" },
      ]);
      expect(shown.map(({ rows }) => rows[0]?.[0])).toEqual(["named", "7s", "Europe/Paris"]);
      other.close();
    });

    test("notifications, while idle and behind a statement", async () => {
      const heard: string[] = [];
      const arrived = Promise.withResolvers<void>();
      const listener = await fixture.another({
        onNotification: (channel, payload, processId) => {
          heard.push(`${channel} ${payload} ${processId > 0}`);
          if (heard.length === 3) arrived.resolve();
        },
      });
      await query(listener, 'LISTEN "a channel"');
      await query(fixture.connection, `NOTIFY "a channel", 'one'; SELECT pg_notify('a channel', 'two')`);
      await query(fixture.connection, "NOTIFY other");
      await query(listener, `NOTIFY "a channel", 'three'`);
      await arrived.promise;
      expect(heard).toEqual(["a channel one true", "a channel two true", "a channel three true"]);
      expect(listener.idle).toBe(true);
      listener.close();
    });
  });

  describe("cancel", () => {
    test("stops the running statement, and it alone", async () => {
      const running = query(fixture.connection, "SELECT pg_sleep(60)");
      running.catch(() => {});
      await setTimeout(200);
      await cancel(await fixture.open(), fixture.connection, { sslMode: "disable" });
      expect(await errorOf(running)).toBe("ERROR 57014 canceling statement due to user request");
      await fixture.works();
    });

    test("stops a COPY that streams", async () => {
      const copy = copyOut(fixture.connection, "COPY (SELECT generate_series(1, 100000000)) TO STDOUT");
      await copy.next();
      await cancel(await fixture.open(), fixture.connection, { sslMode: "disable" });
      expect(await errorOf(collect(copy))).toBe("ERROR 57014 canceling statement due to user request");
      await fixture.works();
    });

    test("with a wrong key is ignored", async () => {
      const { processId } = fixture.connection;
      const secretKey = new Uint8Array(fixture.connection.secretKey.length).fill(1);
      const running = query(fixture.connection, "SELECT pg_sleep(0.3)");
      await cancel(await fixture.open(), { processId, secretKey }, { sslMode: "disable" });
      await running;
      await fixture.works();
    });

    test("while idle changes nothing", async () => {
      await cancel(await fixture.open(), fixture.connection, { sslMode: "disable" });
      await setTimeout(20);
      await fixture.works();
    });
  });

  describe("the end", () => {
    test("closing fails what is under way, and what comes later", async () => {
      const closed: unknown[] = [];
      const other = await fixture.another({ onClose: (error) => closed.push(error) });
      const running = query(other, "SELECT pg_sleep(0.1)");
      const waiting = query(other, "SELECT 1");
      other.close();
      for (const call of [running, waiting, query(other, "SELECT 1")]) {
        expect(await errorOf(call)).toBe("ERROR 08003 the connection was closed");
      }
      expect(closed).toEqual([undefined]);
      expect(other.closed).toBe(true);
    });

    test("cutting it off leaves nothing behind", async () => {
      const other = await fixture.another();
      await query(other, "CREATE TABLE IF NOT EXISTS rolled_back(a int); TRUNCATE rolled_back");
      await query(other, "BEGIN; INSERT INTO rolled_back VALUES (1)");
      other.destroy();
      // TRUNCATE waits for whoever still has the table.
      await query(
        fixture.connection,
        "SET lock_timeout = '10s'; BEGIN; TRUNCATE rolled_back; ROLLBACK; RESET lock_timeout",
      );
      const [count] = await query(
        fixture.connection,
        "SELECT count(*) FROM rolled_back; DROP TABLE rolled_back",
      );
      expect(count?.rows).toEqual([["0"]]);
    });
  });
}
