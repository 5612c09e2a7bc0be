// COPY both ways: a server that keeps lines of text.
//
//   node examples/copy.ts
//   => \copy lines from /etc/services
//   => \copy lines to /dev/stdout
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { serve } from "../adapters/node/mod.ts";
import { PgError, sqlstate } from "../src/mod.ts";

let lines: string[] = [];

/** Lines of data that comes in chunks, which are cut anywhere, also inside a character. */
async function* split(data: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of data) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream({ sql }) {
    const format = { format: 0, columnFormats: [0] } as const;
    if (/^copy\s+lines\s+from\s+stdin\b/i.test(sql)) {
      return {
        type: "copyIn",
        ...format,
        async receive(data) {
          // Kept only when all of it came: a client that fails, or says that it did, throws out of the loop.
          const received: string[] = [];
          for await (const line of split(data)) received.push(line);
          lines = lines.concat(received);
          return `COPY ${received.length}`;
        },
      };
    }
    if (/^copy\s+lines\s+to\s+stdout\b/i.test(sql)) {
      return { type: "copyOut", ...format, data: lines.map((line) => `${line}\n`) };
    }
    if (/^delete\s+from\s+lines$/i.test(sql)) {
      const tag = `DELETE ${lines.length}`;
      lines = [];
      return { type: "command", tag };
    }
    throw new PgError(sqlstate.featureNotSupported, "only COPY and DELETE of the table lines are served");
  },
});

console.log(`psql postgresql://me@${server.host}:${server.port}/any`);
