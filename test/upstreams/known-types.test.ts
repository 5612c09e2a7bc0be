// A database's own types: who asks for them, and for how long an answer is good.
import { expect, test } from "vitest";
import { KnownTypes } from "../../src/upstreams/known-types.ts";

test("a type is asked for once, also one that the database does not have", async () => {
  const asked: string[] = [];
  const types = new KnownTypes(async (typeOids) => {
    asked.push(typeOids);
    return [];
  });
  await types.find([70_001, 70_002]);
  await types.find([70_002]);
  await types.find([70_002, 70_003]);
  expect(asked).toEqual(["{70001,70002}", "{70003}"]);
  types.invalidate();
  await types.find([70_001]);
  expect(asked.slice(2)).toEqual(["{70001}"]);
});

test("a client does not wait for what another one has asked", async () => {
  let asked = 0;
  const types = new KnownTypes(() => (asked++ === 0 ? new Promise(() => {}) : Promise.resolve([])));
  void types.find([70_001]);
  await types.find([70_001]);
  expect(asked).toBe(2);
});

test("what is answered after the types have changed is not kept", async () => {
  const answers: ((rows: []) => void)[] = [];
  const types = new KnownTypes(() => new Promise((resolve) => answers.push(resolve)));
  const before = types.find([70_001]);
  types.invalidate();
  answers[0]?.([]);
  const old = await before;
  const after = types.find([70_001]);
  expect(answers).toHaveLength(2);
  answers[1]?.([]);
  expect(await after).not.toBe(old);
});

test("an error is the asking one's, and the next one asks again", async () => {
  let asked = 0;
  const types = new KnownTypes(async () => {
    if (asked++ === 0) throw new Error("no");
    return [];
  });
  await expect(types.find([70_001])).rejects.toThrow("no");
  await types.find([70_001]);
  expect(asked).toBe(2);
});
