import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lockFolder } from "../../../adapters/node/pglite-lock.ts";

const parent = mkdtempSync(join(tmpdir(), "edgewire-lock-"));
let folders = 0;
const newFolder = () => join(parent, `${folders++}`);

afterAll(() => rmSync(parent, { recursive: true, force: true }));

test("is one's at a time, by whatever name, until it is released", () => {
  const folder = newFolder();
  const lock = lockFolder(folder);
  const link = join(parent, "link");
  symlinkSync(folder, link);
  expect(() => lockFolder(folder)).toThrow("in use");
  expect(() => lockFolder(link)).toThrow("in use");
  lock.release();
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
  lockFolder(link).release();
});

test("of a process that is gone is taken over", () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  for (const stale of [`${pid}\n`, "not a number", "", `${process.pid}\n1\n`, "-1\n"]) {
    const folder = newFolder();
    lockFolder(folder).release();
    writeFileSync(join(folder, "edgewire.lock"), stale);
    lockFolder(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  }
});

test("of a living process is respected, of another with its number is not", () => {
  const folder = newFolder();
  lockFolder(folder).release();
  const file = join(folder, "edgewire.lock");
  writeFileSync(file, `${process.ppid}\n`);
  expect(() => lockFolder(folder)).toThrow(`in use by process ${process.ppid} (${file})`);
  if (!existsSync("/proc/self/stat"))
    return console.log("no /proc: cannot tell two processes of one number apart");
  writeFileSync(file, `${process.ppid}\n1\n`);
  lockFolder(folder).release();
});

test("is not removed when it has become another's", () => {
  const folder = newFolder();
  const lock = lockFolder(folder);
  writeFileSync(join(folder, "edgewire.lock"), `${process.ppid}\n`);
  lock.release();
  expect(existsSync(join(folder, "edgewire.lock"))).toBe(true);
});
