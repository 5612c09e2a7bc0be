import { expect, test } from "vitest";
import { GatewayMetrics } from "../../src/gateway/mod.ts";

const samples = (metrics: GatewayMetrics): string[] =>
  metrics
    .print()
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("#"));

test("has its metrics before there is anything to count", () => {
  const lines = new GatewayMetrics().print().trimEnd().split("\n");
  const typed = lines.filter((line) => line.startsWith("# TYPE "));
  expect(typed).toHaveLength(lines.length / 2);
  for (const line of typed) expect(line).toMatch(/^# TYPE edgewire_\w+ (counter|gauge)$/);
  for (const line of typed) expect(line.endsWith(" counter")).toBe(/_total /.test(line));
});

test("counts sessions that come and go", () => {
  const metrics = new GatewayMetrics();
  const first = metrics.session("tcp", "app");
  metrics.session("tcp", "app");
  metrics.session("websocket", "app");
  first();
  expect(samples(metrics)).toEqual([
    'edgewire_sessions{transport="tcp",database="app"} 1',
    'edgewire_sessions{transport="websocket",database="app"} 1',
    'edgewire_sessions_total{transport="tcp",database="app"} 2',
    'edgewire_sessions_total{transport="websocket",database="app"} 1',
  ]);
});

test("asks for the state of databases when it is asked", () => {
  const idle = { taken: 0, idle: 3 };
  const state = [
    { database: "a", open: true, connections: idle },
    { database: "b", open: false, connections: undefined },
  ];
  const metrics = new GatewayMetrics(() => state);
  state[0] = { database: "a", open: true, connections: { taken: 2, idle: 1 } };
  expect(samples(metrics)).toEqual([
    'edgewire_database_up{database="a"} 1',
    'edgewire_database_up{database="b"} 0',
    'edgewire_upstream_connections{database="a",state="taken"} 2',
    'edgewire_upstream_connections{database="a",state="idle"} 1',
  ]);
});

test("escapes what names may hold", () => {
  const metrics = new GatewayMetrics(() => [{ database: 'a"b\\c\nd', open: true, connections: undefined }]);
  expect(samples(metrics)).toEqual(['edgewire_database_up{database="a\\"b\\\\c\\nd"} 1']);
});

test("has no series of a client's invention", () => {
  const metrics = new GatewayMetrics();
  for (let at = 0; at < 10; at++) {
    metrics.request("other", `METHOD${at}`, 404);
    metrics.error(`?${at}`);
  }
  expect(samples(metrics)).toEqual([
    'edgewire_http_requests_total{route="other",method="other",status="404"} 10',
    'edgewire_errors_total{class="other"} 10',
  ]);
});
