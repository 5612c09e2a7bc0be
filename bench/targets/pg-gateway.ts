// pg-gateway 0.2 with the same canned answer as the control. Its library does startup and authentication and frames
// the messages; what follows is left to the hook `onMessage`, which gets one raw message at a time. A Query is answered
// here. Parse, Bind, Describe, Execute and Sync are left to the library, since a hook that answered those would be an
// extended protocol of our own: the library then says nothing, and pgbench's modes extended and prepared wait forever.

import { type AddressInfo, createServer } from "node:net";
import { PostgresConnection } from "pg-gateway";
import { announce, endWhenTold } from "./announce.ts";
import { queryAnswer } from "./canned.ts";
import { packageVersion } from "./package-version.ts";

const query = 0x51;

endWhenTold();
const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  const connection: PostgresConnection = new PostgresConnection(socket, {
    serverVersion: "18.0",
    authMode: "none",
    onMessage(data, { isAuthenticated }) {
      if (!isAuthenticated || data[0] !== query) return false;
      connection.sendData(queryAnswer);
      return true;
    },
  });
});

server.listen(0, "127.0.0.1", () => {
  const version = packageVersion(import.meta.resolve("pg-gateway"));
  announce({ type: "ready", port: (server.address() as AddressInfo).port, version });
});
