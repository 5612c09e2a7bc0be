import { describe, expect, test } from "vitest";
import {
  ConfigError,
  createGateway,
  type Gateway,
  type GatewayConfig,
  type Openers,
} from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { MemoryTransport } from "../session/memory-transport.ts";
import { scripted } from "../session/scripted-upstream.ts";
import { query, startup, TestClient } from "../session/test-client.ts";

const none: GatewayConfig = { databases: new Map(), users: new Map() };

/** An opener that notes what it opens; `broken:` URLs do not open as long as `fails` is set. */
class Fake {
  readonly opened: string[] = [];
  readonly closed: string[] = [];
  fails = false;
  readonly openers: Openers = {
    memory: (url) => this.#open(url),
    broken: async (url) => {
      if (this.fails) throw new Error("no such host");
      return this.#open(url);
    },
  };

  #open(url: string): Upstream {
    this.opened.push(url);
    const { upstream } = scripted({ parameters: [["server_version", url]] });
    return {
      ...upstream,
      close: () => {
        this.closed.push(url);
        if (url.endsWith("stubborn")) throw new Error("does not close");
      },
    };
  }
}

/** What a client gets who connects: the answers, or the error. */
async function connected(
  gateway: Gateway,
  parameters: Record<string, string> = {},
  transport = new MemoryTransport(),
): Promise<string[]> {
  const client = new TestClient({ ...gateway.session, transport });
  void client.sendBytes(startup(parameters));
  await client.until(parameters.user === "alice" ? "AuthenticationSASL" : "AuthenticationOk").catch(() => {});
  if (parameters.user !== "alice") {
    await client.until("ReadyForQuery").catch(() => {});
  }
  const lines = client.take();
  await client.vanish();
  return lines;
}

const version = (lines: readonly string[]): string | undefined =>
  lines.find((line) => line.startsWith("ParameterStatus server_version="))?.split("=")[1];

describe("databases", () => {
  const databases = new Map([
    ["app", "memory:app"],
    ["logs", "MEMORY:logs"],
    ["*", "memory:rest"],
  ]);

  test("each name has its upstream, opened at its first client and once", async () => {
    const fake = new Fake();
    const gateway = createGateway({ ...none, databases }, fake.openers);
    expect(fake.opened).toEqual([]);
    expect(version(await connected(gateway, { database: "logs" }))).toBe("MEMORY:logs");
    expect(version(await connected(gateway, { database: "app" }))).toBe("memory:app");
    expect(version(await connected(gateway, { database: "app" }))).toBe("memory:app");
    expect(fake.opened).toEqual(["MEMORY:logs", "memory:app"]);
  });

  test("* is every other name, all of one upstream", async () => {
    const fake = new Fake();
    const gateway = createGateway({ ...none, databases }, fake.openers);
    expect(version(await connected(gateway, { database: "x" }))).toBe("memory:rest");
    expect(version(await connected(gateway, { database: "y" }))).toBe("memory:rest");
    expect(version(await connected(gateway, { database: "*" }))).toBe("memory:rest");
    expect(fake.opened).toEqual(["memory:rest"]);
  });

  test("without * every other name is 3D000", async () => {
    const gateway = createGateway({ ...none, databases: new Map([["app", "memory:"]]) }, new Fake().openers);
    expect((await connected(gateway, { database: "x" })).at(-1)).toBe(
      'ErrorResponse FATAL 3D000 database "x" does not exist',
    );
  });

  test("many clients at once wait for one opening", async () => {
    const fake = new Fake();
    const gateway = createGateway({ ...none, databases: new Map([["app", "broken:slow"]]) }, fake.openers);
    await Promise.all(Array.from({ length: 10 }, () => connected(gateway, { database: "app" })));
    expect(fake.opened).toEqual(["broken:slow"]);
  });

  test("one that does not open is an error with the reason, and is tried again", async () => {
    const fake = new Fake();
    fake.fails = true;
    const gateway = createGateway({ ...none, databases: new Map([["app", "broken:x"]]) }, fake.openers);
    expect((await connected(gateway, { database: "app" })).at(-1)).toBe(
      'ErrorResponse FATAL 08000 database "app" cannot be opened',
    );
    fake.fails = false;
    expect(version(await connected(gateway, { database: "app" }))).toBe("broken:x");
  });

  test("open() opens all, and fails with the one that does", async () => {
    const fake = new Fake();
    const gateway = createGateway({ ...none, databases }, fake.openers);
    await gateway.open();
    expect(fake.opened).toHaveLength(3);
    fake.fails = true;
    const broken = createGateway({ ...none, databases: new Map([["app", "broken:x"]]) }, fake.openers);
    await expect(broken.open()).rejects.toThrow("no such host");
  });

  test("ready() tells of each whether it can be opened, and tries again", async () => {
    const fake = new Fake();
    fake.fails = true;
    const some = new Map([["bad", "broken:x"], ["thrown", "thrown:"], ...databases]);
    const thrown = (): never => {
      throw new Error("at once");
    };
    const gateway = createGateway({ ...none, databases: some }, { ...fake.openers, thrown });
    expect((await gateway.ready()).map(({ database, error }) => [database, error?.message])).toEqual([
      ["bad", "no such host"],
      ["thrown", "at once"],
      ["app", undefined],
      ["logs", undefined],
      ["*", undefined],
    ]);
    fake.fails = false;
    expect((await gateway.ready())[0]).toEqual({ database: "bad", error: undefined });
    expect(gateway.databases).toEqual(["bad", "thrown", "app", "logs", "*"]);
  });

  test("sessions are counted by their way in, under the name that is configured", async () => {
    const gateway = createGateway({ ...none, databases }, new Fake().openers);
    const session = gateway.sessionsOver("tcp");
    const client = new TestClient({ ...session, transport: new MemoryTransport() });
    void client.sendBytes(startup({ database: "whatever" }));
    await client.until("ReadyForQuery");
    expect(gateway.metrics.print()).toContain('edgewire_sessions{transport="tcp",database="*"} 1');
    await client.vanish();
    expect(gateway.metrics.print()).toContain('edgewire_sessions{transport="tcp",database="*"} 0');
    expect(gateway.metrics.print()).toContain('edgewire_sessions_total{transport="tcp",database="*"} 1');
  });

  test("errors are counted, and shown to the operator's hook", async () => {
    const gateway = createGateway({ ...none, databases: new Map() }, {});
    const seen: string[] = [];
    const session = gateway.sessionsOver("tcp", {
      onError(error) {
        seen.push(error.code);
        return undefined;
      },
    });
    const client = new TestClient({ ...session, transport: new MemoryTransport() });
    void client.sendBytes(startup({ database: "missing" }));
    await client.until("ErrorResponse");
    expect(seen).toEqual(["3D000"]);
    expect(gateway.metrics.print()).toContain('edgewire_errors_total{class="3D"} 1');
    await client.vanish();
  });

  test("notifications go from one way in to another", async () => {
    const gateway = createGateway({ ...none, databases }, new Fake().openers);
    const [listener, sender] = (["tcp", "websocket"] as const).map(
      (transport) => new TestClient({ ...gateway.sessionsOver(transport), transport: new MemoryTransport() }),
    ) as [TestClient, TestClient];
    for (const [client, sql] of [
      [listener, "listen news"],
      [sender, "notify news, 'x'"],
    ] as const) {
      void client.sendBytes(startup({ database: "app" }));
      await client.until("ReadyForQuery");
      client.take();
      void client.send(query(sql));
      await client.until("ReadyForQuery");
    }
    await expect.poll(() => listener.take().join()).toContain("NotificationResponse");
    await Promise.all([listener.vanish(), sender.vanish()]);
  });

  test("close() closes those that were opened, each of them, and those only", async () => {
    const fake = new Fake();
    const gateway = createGateway(
      { ...none, databases: new Map([["s", "memory:stubborn"], ...databases]) },
      fake.openers,
    );
    await connected(gateway, { database: "s" });
    await connected(gateway, { database: "app" });
    await expect(gateway.close()).rejects.toThrow("does not close");
    expect(fake.closed).toEqual(["memory:stubborn", "memory:app"]);
  });

  test("a scheme that nobody serves is a mistake that is told at once", () => {
    const config = { ...none, databases: new Map([["app", "mysql://host/db"]]) };
    expect(() => createGateway(config, new Fake().openers)).toThrow(ConfigError);
    expect(() => createGateway(config, new Fake().openers)).toThrow(
      'database "app" has a URL that nothing serves here: "mysql:" (known: memory:, broken:)',
    );
  });

  test.each(["constructor", "toString", "__proto__", "hasOwnProperty"])(
    "%s: is no scheme either",
    (scheme) => {
      const config = { ...none, databases: new Map([["app", `${scheme}:x`]]) };
      expect(() => createGateway(config, new Fake().openers)).toThrow(ConfigError);
    },
  );
});

describe("users", () => {
  const databases = new Map([["*", "memory:"]]);
  const users = new Map([["alice", "secret"]]);

  function gateway(config: Partial<GatewayConfig>): Gateway {
    return createGateway({ ...none, databases, ...config }, new Fake().openers);
  }

  test("none: everyone is trusted", async () => {
    expect((await connected(gateway({}), { user: "bob" }))[0]).toBe("AuthenticationOk");
  });

  test("some: they prove themselves", async () => {
    expect(await connected(gateway({ users }), { user: "alice" })).toEqual([
      "AuthenticationSASL SCRAM-SHA-256",
    ]);
  });

  test("some, and the method trust: they need not, but nobody else exists", async () => {
    const trusting = gateway({ users: new Map([["bob", "x"]]), auth: "trust" });
    expect((await connected(trusting, { user: "bob" }))[0]).toBe("AuthenticationOk");
    expect(await connected(trusting, { user: "carol" })).toEqual([
      'ErrorResponse FATAL 28000 role "carol" does not exist',
    ]);
  });

  test.each(["password", "scram-sha-256", "md5"] as const)(
    "none, and the method %s: a mistake, not a door that stands open",
    (auth) => {
      expect(() => gateway({ auth })).toThrow(
        new ConfigError(`the method ${auth} lets nobody in without users: name them, or choose trust`),
      );
    },
  );

  test("certificates: the name in one is the user", async () => {
    const clientCertificate = { commonName: "bob" };
    const bob = new MemoryTransport({ tls: { clientCertificate } });
    expect((await connected(gateway({ auth: "cert" }), { user: "bob" }, bob))[0]).toBe("AuthenticationOk");
    const other = new MemoryTransport({ tls: { clientCertificate } });
    expect(await connected(gateway({ auth: "cert" }), { user: "carol" }, other)).toEqual([
      'ErrorResponse FATAL 28000 certificate authentication failed for user "carol"',
    ]);
    expect(await connected(gateway({ auth: "cert" }), { user: "bob" })).toEqual([
      "ErrorResponse FATAL 28000 connection requires a valid client certificate",
    ]);
  });

  test("certificates, with users: only those who are configured", async () => {
    const certified = (commonName: string) =>
      new MemoryTransport({ tls: { clientCertificate: { commonName } } });
    const both = gateway({ users: new Map([["bob", "x"]]), auth: "cert" });
    expect((await connected(both, { user: "bob" }, certified("bob")))[0]).toBe("AuthenticationOk");
    expect(await connected(both, { user: "carol" }, certified("carol"))).toEqual([
      'ErrorResponse FATAL 28000 role "carol" does not exist',
    ]);
  });
});
