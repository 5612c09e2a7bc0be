import { describe, expect, test } from "vitest";
import { routedKey, routeOf } from "../../src/session/cancel-route.ts";
import { type RoutedCancelRegistry, routedCancelRegistry, type SessionKey } from "../../src/session/mod.ts";
import { protocol30, protocol32 } from "../../src/wire/mod.ts";
import { scripted } from "./scripted-upstream.ts";
import { query, settled, startup, TestClient } from "./test-client.ts";

const secret = new TextEncoder().encode("of the deployment");
const route = (name: string): Uint8Array => new TextEncoder().encode(name);

describe("a signed key", () => {
  test("tells its route, to those who have the secret", async () => {
    const secretKey = await routedKey(secret, 7, route("here"));
    expect(secretKey).toHaveLength(2 + 4 + 16 + 32);
    expect(await routeOf(secret, { processId: 7, secretKey })).toEqual(route("here"));
    expect(await routeOf(route("another"), { processId: 7, secretKey })).toBeUndefined();
    expect(await routeOf(secret, { processId: 8, secretKey })).toBeUndefined();
  });

  test("no two alike", async () => {
    expect(await routedKey(secret, 7, route("here"))).not.toEqual(await routedKey(secret, 7, route("here")));
  });

  test("wants every byte", async () => {
    const secretKey = await routedKey(secret, 7, route("here"));
    for (let at = 0; at < secretKey.length; at++) {
      const wrong = secretKey.slice();
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      expect(await routeOf(secret, { processId: 7, secretKey: wrong })).toBeUndefined();
    }
    for (const length of [0, 1, 2, 4, 32, secretKey.length - 1]) {
      const cut = secretKey.subarray(0, length);
      expect(await routeOf(secret, { processId: 7, secretKey: cut })).toBeUndefined();
    }
    const longer = Uint8Array.of(...secretKey, 0);
    expect(await routeOf(secret, { processId: 7, secretKey: longer })).toBeUndefined();
  });

  test("has the 256 bytes that the protocol allows, and no more", async () => {
    const longest = await routedKey(secret, 7, new Uint8Array(206));
    expect(longest).toHaveLength(256);
    expect(await routeOf(secret, { processId: 7, secretKey: longest })).toHaveLength(206);
    await expect(routedKey(secret, 7, new Uint8Array(207))).rejects.toThrow(RangeError);
  });
});

/** Places that know each other by name, and the directory of short keys that they share. */
function places() {
  const all = new Map<string, RoutedCancelRegistry>();
  const forwarded: string[] = [];
  const short = new Map<string, Uint8Array>();
  const textOf = ({ processId, secretKey }: SessionKey): string => `${processId} ${secretKey}`;
  const place = (name: string): RoutedCancelRegistry => {
    const registry = routedCancelRegistry({
      secret: () => secret,
      route: route(name),
      forward: (to, key) => {
        const there = new TextDecoder().decode(to);
        forwarded.push(there);
        all.get(there)?.serve(key);
      },
      directory: {
        add: (key, to) => void short.set(textOf(key), to),
        remove: (key) => void short.delete(textOf(key)),
        find: (key) => short.get(textOf(key)),
      },
    });
    all.set(name, registry);
    return registry;
  };
  return { place, forwarded, short };
}

describe.each([
  ["3.2", protocol32, 54],
  ["3.0", protocol30, 4],
])("across places, protocol %s", (_, version, length) => {
  test("a cancel that arrives elsewhere finds its session", async () => {
    const { place, forwarded, short } = places();
    const [here, elsewhere] = [place("here"), place("there")];
    const script = scripted({ query: () => new Promise(() => {}) });
    const client = new TestClient({ ...script, cancels: here });
    void client.sendBytes(startup({}, version));
    await client.until("ReadyForQuery");
    const { processId, secretKey } = client.last("BackendKeyData");
    expect(secretKey).toHaveLength(length);
    client.take();
    void client.send(query("wait"));
    await settled();
    await elsewhere.cancel(
      processId,
      Uint8Array.from(secretKey, (byte) => byte ^ 1),
    );
    expect(forwarded).toEqual([]);
    await elsewhere.cancel(processId, secretKey);
    expect(forwarded).toEqual(["here"]);
    await client.until("ReadyForQuery");
    expect(client.take()[0]).toBe("ErrorResponse ERROR 57014 canceling statement due to user request");
    // A place that is asked for its own sessions asks nobody.
    void client.send(query("wait"));
    await settled();
    await here.cancel(processId, secretKey);
    await client.until("ReadyForQuery");
    expect(forwarded).toEqual(["here"]);
    await client.vanish();
    expect(here.serve({ processId, secretKey })).toBe(false);
    expect(short.size).toBe(0);
  });
});

test("a short key stays known while its session is suspended", async () => {
  const { place, short } = places();
  const here = place("here");
  let count = 0;
  const target = { cancel: () => count++ };
  const key = await here.register(target, 4);
  key.release(true);
  expect(short.size).toBe(1);
  expect(here.serve(key)).toBe(false);
  const again = await here.register(target, 4, key);
  expect(short.size).toBe(1);
  expect(here.serve(key)).toBe(true);
  expect(count).toBe(1);
  again.release();
  expect(short.size).toBe(0);
});
