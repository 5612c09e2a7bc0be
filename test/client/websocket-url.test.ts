import { describe, expect, test } from "vitest";
import { parseWebSocketUrl } from "../../src/client/mod.ts";

describe("the URL of a PostgreSQL behind a WebSocket", () => {
  test.each([
    ["postgres+wss://me@db.example.com/app", "wss://db.example.com/v2"],
    ["postgresql+wss://me@db.example.com/app", "wss://db.example.com/v2"],
    ["POSTGRES+WSS://me@db.example.com/app", "wss://db.example.com/v2"],
    ["postgres+ws://me@127.0.0.1:8080/app", "ws://127.0.0.1:8080/v2"],
    ["postgres+ws://me@127.0.0.1/app?port=8080", "ws://127.0.0.1:8080/v2"],
    ["postgres+ws://me@[::1]:8080/app", "ws://[::1]:8080/v2"],
    ["postgres+wss://me@proxy/app?ws_path=/v1%3Faddress%3Ddb:5432", "wss://proxy/v1?address=db:5432"],
    ["postgres+wss://me@proxy/app?ws_path=/", "wss://proxy/"],
  ])("%s", (text, url) => {
    expect(parseWebSocketUrl(text).url).toBe(url);
  });

  test("tells the rest as any connection URL does", () => {
    const { options } = parseWebSocketUrl(
      "postgres+wss://me:s%40crt@host/app?ws_path=/x&application_name=y&sslmode=verify-full&connect_timeout=3",
      { user: "other" },
    );
    expect(options).toMatchObject({
      user: "me",
      password: "s@crt",
      database: "app",
      sslMode: "verify-full",
      connectTimeout: 3_000,
      parameters: { application_name: "y" },
    });
    expect(options.parameters).not.toHaveProperty("ws_path");
  });

  test.each([
    ["wss://me@host/app", "22023", "it begins with postgres+wss://"],
    ["postgres://me@host/app", "22023", "it begins with postgres+wss://"],
    ["postgres+wss://host/app", "22023", "names no user"],
    ["postgres+wss://me@host/app?ws_path=v2", "22023", "ws_path begins with"],
    ["postgres+ws://me@host/app?sslmode=require", "22023", 'sslmode "require" needs postgres+wss://'],
    ["postgres+wss://me@%2Ftmp/app", "0A000", "a Unix socket is not supported"],
    ["postgres+wss://me@host/app?sslrootcert=ca.pem", "0A000", "sslrootcert"],
    ["postgres+wss://me@host/app?sslmode=require&sslnegotiation=direct", "0A000", "sslnegotiation=direct"],
  ])("%s is refused", (text, code, message) => {
    expect(() => parseWebSocketUrl(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
