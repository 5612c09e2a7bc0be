/** The RDS Data API's upstream before the double. */
import { loadParser } from "../../../../adapters/node/parser.ts";
import { signedFetchOf } from "../../../../adapters/node/signed-fetch.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../../../src/upstreams/rds-data/mod.ts";
import { credentials, RdsDataDouble } from "../../rds-data/double.ts";
import { type Adapter, all } from "../contract.ts";
import { type Faulty, FaultyFetch, httpFaults } from "../faults.ts";

export const rdsData: Adapter<Faulty> = {
  name: "rds-data",
  has: {
    ...all("HTTP"),
    queries: { otherwise: "HTTP, enums as text" },
    "parameters of every type": { otherwise: "HTTP, no binary reg\\*" },
    "columns' tables and modifiers": { otherwise: "no" },
    "errors' context and objects": { otherwise: "no" },
    notices: { otherwise: "no" },
    "several statements in one text": "transaction",
    pipelines: "transaction",
    "portals in steps": "transaction",
    "BEGIN … COMMIT": "transaction",
    "SET TRANSACTION": "transaction",
    savepoints: "transaction",
    "SET, SHOW, RESET": "gateway, transaction",
    "settings of the StartupMessage": "gateway, transaction",
    "set_config()": "gateway",
    "SET ROLE": { refused: "0A000", hint: undefined },
    "DISCARD ALL": "gateway",
    "temporary tables": {
      refused: "0A000",
      hint: "Make a temporary table in a transaction, with ON COMMIT DROP.",
    },
    "temporary tables ON COMMIT DROP": "transaction",
    "PREPARE, EXECUTE": {
      refused: "0A000",
      hint: "Use the client's own prepared statements, which the gateway keeps.",
    },
    cursors: { otherwise: "transaction, MOVE counts 0" },
    "cursors WITH HOLD": {
      refused: "0A000",
      hint: "Use the cursor in a transaction, without WITH HOLD.",
    },
    "LISTEN, NOTIFY": "gateway",
    "pg_notify()": { otherwise: "not heard" },
    "advisory locks of the session": {
      refused: "0A000",
      hint: "Use pg_advisory_xact_lock() in a transaction.",
    },
    "advisory locks of the transaction": "transaction",
    "currval(), lastval()": { otherwise: "transaction, else 0A000" },
    FunctionCall: { refused: "0A000", hint: "Call the function in a SELECT." },
    "rows as they come": { otherwise: "by the MB" },
    "values of 1 MB": { otherwise: "in; out 54000" },
    "values of 12 MB": { otherwise: "54000" },
  },
  faults: httpFaults,
  async start() {
    const double = await RdsDataDouble.start();
    const { region, ...options } = parseRdsDataUrl(double.url);
    const signedFetch = signedFetchOf(credentials, region);
    const faulty = new FaultyFetch();
    const upstream = rdsDataUpstream({
      ...options,
      signedFetch: (request) =>
        faulty.instead(() => signedFetch(request) as Promise<Response>, request.signal),
      parser: await loadParser(),
    });
    return {
      upstream,
      faulty,
      async close() {
        await upstream.close?.();
        await double.close();
      },
    };
  },
};
