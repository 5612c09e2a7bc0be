import { describe, expect, test } from "vitest";
import { asksForWebSocket, refuseUpgrade, type UpgradePolicy } from "../../src/http/websocket.ts";

const asked = { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" };

function request(headers: Record<string, string>, method = "GET"): Request {
  return new Request("http://127.0.0.1/v2?address=db.example.com:5432", { method, headers });
}

async function answer(headers: Record<string, string>, policy?: UpgradePolicy, method?: string) {
  const response = refuseUpgrade(request(headers, method), policy);
  return response && [response.status, await response.text(), Object.fromEntries(response.headers)];
}

describe("an upgrade", () => {
  test("passes", async () => {
    expect(await answer(asked)).toBeUndefined();
    expect(await answer({ upgrade: "WebSocket" })).toBeUndefined();
    expect(asksForWebSocket(request(asked))).toBe(true);
  });

  test("is refused unless it is one, by GET, of version 13", async () => {
    const plain = { "content-type": "text/plain" };
    expect(asksForWebSocket(request({}))).toBe(false);
    expect(await answer({})).toEqual([
      426,
      "this is a WebSocket endpoint\n",
      { ...plain, upgrade: "websocket" },
    ]);
    expect(await answer(asked, {}, "POST")).toEqual([
      405,
      "a WebSocket is opened by GET\n",
      { ...plain, allow: "GET" },
    ]);
    expect(await answer({ ...asked, "sec-websocket-version": "8" })).toEqual([
      426,
      "this is a WebSocket endpoint of version 13\n",
      { ...plain, upgrade: "websocket", "sec-websocket-version": "13" },
    ]);
  });
});

describe("the policy on origins", () => {
  const policy = { origins: ["https://app.example.com", "http://LOCALHOST:3000/"] };
  for (const origin of ["https://app.example.com", "https://APP.example.com", "http://localhost:3000"]) {
    test(`lets ${origin} in`, async () => {
      expect(await answer({ ...asked, origin }, policy)).toBeUndefined();
    });
  }
  for (const origin of [
    "https://example.com",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.test",
    "http://localhost",
    "null",
  ]) {
    test(`keeps ${origin} out`, async () => {
      const [status, text] = (await answer({ ...asked, origin }, policy)) ?? [];
      expect([status, text]).toEqual([403, `the origin ${origin} may not connect\n`]);
    });
  }

  test("has nothing to say to tools, which tell none", async () => {
    expect(await answer(asked, policy)).toBeUndefined();
    expect(await answer(asked, { origins: [] })).toBeUndefined();
  });

  test("may be any, by default and by *", async () => {
    expect(await answer({ ...asked, origin: "https://anything.test" })).toBeUndefined();
    expect(await answer({ ...asked, origin: "https://anything.test" }, { origins: ["*"] })).toBeUndefined();
  });
});
