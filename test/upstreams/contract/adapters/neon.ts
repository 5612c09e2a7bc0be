/** Neon's upstream before the double; and with fetch=tunnel. */

import { startDouble } from "../../neon/double.ts";
import { type Adapter, all } from "../contract.ts";
import { type Faulty, FaultyFetch, httpFaults } from "../faults.ts";

export const neon: Adapter<Faulty> = {
  name: "neon",
  has: {
    ...all("HTTP"),
    "parameters of every type": { otherwise: "HTTP, no binary reg\\*" },
    notices: { otherwise: "tunnel only" },
    "several statements in one text": { otherwise: "HTTP, tunnel where one fails" },
    pipelines: { otherwise: "HTTP, tunnel where one fails" },
    "portals in steps": "tunnel",
    "BEGIN … COMMIT": "tunnel",
    "SET TRANSACTION": "tunnel",
    savepoints: "tunnel",
    "SET, SHOW, RESET": "carried along",
    "settings of the StartupMessage": "carried along",
    "set_config()": "carried along",
    "SET ROLE": "tunnel, kept",
    "temporary tables": "tunnel, kept",
    "temporary tables ON COMMIT DROP": "tunnel",
    "PREPARE, EXECUTE": "tunnel, kept",
    cursors: "tunnel",
    "cursors WITH HOLD": "tunnel, kept",
    "LISTEN, NOTIFY": "tunnel, kept",
    "advisory locks of the session": "tunnel, kept",
    "advisory locks of the transaction": "tunnel",
    "currval(), lastval()": { otherwise: "tunnel only, else 55000" },
    "DO, CALL": "tunnel",
    "COPY FROM STDIN": "tunnel",
    "COPY TO STDOUT": "tunnel",
    FunctionCall: { refused: "0A000", hint: "Call the function in a SELECT." },
    "rows as they come": { otherwise: "tunnel only" },
    "values of 12 MB": "tunnel",
  },
  faults: httpFaults.map((fault) => ({ ...fault, sparesTransactions: true })),
  start: () => start("http"),
};

export const neonTunnel: Adapter<Faulty> = {
  name: "neon-tunnel",
  has: all("tunnel"),
  faults: [],
  faultless: "it is the upstream of postgres, over a WebSocket",
  start: () => start("tunnel"),
};

async function start(mode: "http" | "tunnel"): Promise<Faulty> {
  const double = await startDouble();
  const faulty = new FaultyFetch();
  const upstream = double.upstream({
    mode,
    fetch: (url, init) => faulty.instead(() => fetch(url, init), init.signal),
  });
  return {
    upstream,
    faulty,
    async close() {
      await upstream.close?.();
      await double.close();
    },
  };
}
