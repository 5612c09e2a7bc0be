// The ceiling: what node:net alone does with pgbench's traffic. It reads no message. libpq flushes once for each
// transaction, so a chunk is a transaction, and its first byte (with the message after Parse, to tell pgbench's one
// PREPARE from a whole extended query) is enough to choose the canned answer.

import { type AddressInfo, createServer } from "node:net";
import { announce, endWhenTold } from "./announce.ts";
import { extendedAnswer, prepareAnswer, preparedAnswer, queryAnswer, startupAnswer } from "./canned.ts";

const parse = 0x50;
const bind = 0x42;
const query = 0x51;
const sync = 0x53;
const terminate = 0x58;

function answer(chunk: Buffer): Buffer | undefined {
  switch (chunk[0]) {
    case query:
      return queryAnswer;
    case bind:
      return preparedAnswer;
    case parse:
      return chunk[1 + chunk.readInt32BE(1)] === sync ? prepareAnswer : extendedAnswer;
    case terminate:
      return undefined;
    default:
      return startupAnswer; // an untyped packet begins with the high byte of its length, which is 0
  }
}

endWhenTold();
const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    const bytes = answer(chunk);
    if (bytes === undefined) socket.end();
    else socket.write(bytes);
  });
});

server.listen(0, "127.0.0.1", () => {
  announce({
    type: "ready",
    port: (server.address() as AddressInfo).port,
    version: `node ${process.versions.node}`,
  });
});
