import { describe, expect, test } from "vitest";
import { parseNeonUrl } from "../../../src/upstreams/neon/mod.ts";

describe("neon:// URLs", () => {
  test("of Neon: HTTP goes to the region's name, as from its own driver, the tunnel to the endpoint's", () => {
    const url =
      "neon://app:p%40ss@ep-cool-1234-pooler.eu-central-1.aws.neon.tech/my%20db?sslmode=require&channel_binding=require";
    expect(parseNeonUrl(url)).toMatchObject({
      endpoint: "https://api.eu-central-1.aws.neon.tech/sql",
      tunnel: "wss://ep-cool-1234-pooler.eu-central-1.aws.neon.tech/v2",
      connectionString: "postgres://app:p%40ss@ep-cool-1234-pooler.eu-central-1.aws.neon.tech/my%20db",
      client: {
        user: "app",
        password: "p@ss",
        database: "my db",
        sslMode: "require",
        channelBinding: "disable",
      },
      fetch: "http",
      poolSize: 20,
    });
  });

  test("of others: all goes to the host that is named", () => {
    expect(parseNeonUrl("neon://a:b@branch.us-east-1.xata.tech/db")).toMatchObject({
      endpoint: "https://branch.us-east-1.xata.tech/sql",
      tunnel: "wss://branch.us-east-1.xata.tech/v2",
    });
    expect(parseNeonUrl("neon+http://a:b@127.0.0.1:8080/db?ws_path=/tunnel")).toMatchObject({
      endpoint: "http://127.0.0.1:8080/sql",
      tunnel: "ws://127.0.0.1:8080/tunnel",
      connectionString: "postgres://a:b@127.0.0.1/db",
    });
    expect(parseNeonUrl("neon+http://a@[::1]:8080/db").endpoint).toBe("http://[::1]:8080/sql");
  });

  test("parameters: its own, and settings", () => {
    const parsed = parseNeonUrl(
      "neon://a@h/db?endpoint=https%3A%2F%2Fproxy.example%2Fq&fetch=tunnel&pool_size=3&search_path=app&options=endpoint%3Dep-1",
    );
    expect(parsed).toMatchObject({
      endpoint: "https://proxy.example/q",
      fetch: "tunnel",
      poolSize: 3,
      client: { parameters: { search_path: "app", options: "endpoint=ep-1" } },
      connectionString: "postgres://a@h/db?options=endpoint%3Dep-1",
    });
  });

  test.each([
    ["postgres://a@h/db", "not a URL of Neon: it begins with neon:// or neon+http://"],
    ["neon://a:secret@/db", "the URL names no host: neon://user:password@host/database"],
    ["neon://h/db", "the connection URL names no user: postgres://user@host/database"],
    ["neon://a@h/db?fetch=none", 'fetch is "http" or "tunnel", not "none"'],
    ["neon://a@h/db?pool_size=0", 'pool_size is a whole number from 1, not "0"'],
    ["neon://a@h/db?ws_path=v2", 'ws_path begins with "/": "v2"'],
    ["neon://a@h/db?endpoint=h/sql", 'endpoint is a URL such as https://host/sql, not "h/sql"'],
    ["neon+http://a@h/db?sslmode=verify-full", 'sslmode "verify-full" needs neon://'],
    [
      "neon://a@h/db?sslrootcert=ca.pem",
      "a certificate of one's own (sslrootcert, sslcert) is not supported through Neon's proxy",
    ],
  ])("refused: %s", (url, message) => {
    expect(() => parseNeonUrl(url)).toThrow(message);
    expect(() => parseNeonUrl(url)).not.toThrow("secret");
  });
});
