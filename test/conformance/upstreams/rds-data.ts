/** The RDS Data API's upstream before the double. */
import { loadParser } from "../../../adapters/node/parser.ts";
import { signedFetchOf } from "../../../adapters/node/signed-fetch.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../../src/upstreams/rds-data/mod.ts";
import { credentials, RdsDataDouble } from "../../upstreams/rds-data/double.ts";
import { eachLine, fewErrorFields, noNotices, noOrigins, nothingBeforeErrors } from "./everywhere.ts";
import type { TestedUpstream } from "./tested-upstream.ts";

export const rdsData: TestedUpstream = {
  name: "rds-data",
  variants: ["settings", "statement"],
  everywhere: [
    noOrigins("the API tells no columns' tables, and no modifiers"),
    {
      because: "the API's user is no superuser: who it is, is not asked",
      rewrite: eachLine((line) => line.replace(/^(ParameterStatus "is_superuser") "on"/, '$1 "off"')),
    },
    noNotices("the API has no notices"),
    fewErrorFields("the API's errors have code, message, detail, hint and position"),
    nothingBeforeErrors("an error comes alone, without the description and the rows before it"),
  ],
  differences: [
    { because: "PREPARE and EXECUTE in SQL are refused", sign: /^\+ .* C "0A000" M "PREPARE and EXECUTE/ },
    {
      because: "cursors WITH HOLD, and what is temporary beyond the transaction, are refused",
      sign: /^\+ .* C "0A000" M "(cursors WITH HOLD|temporary objects)/,
    },
    { because: "advisory locks of the session are refused", sign: /^\+ .* C "0A000" M "advisory locks/ },
    { because: "PREPARE TRANSACTION is refused", sign: /^\+ .* C "0A000" M "PREPARE TRANSACTION/ },
    { because: "SET ROLE is refused", sign: /^\+ .* C "0A000" M "roles are not supported/ },
    { because: "FunctionCall is refused", sign: /^\+ .* C "0A000" M "the function call protocol/ },
    {
      because: "the session writes dates as ISO, in UTF-8",
      sign: /^\+ .* C "0A000" M "(DateStyle|conversion)/,
    },
    { because: "the API's rows have 64 KB at the most", sign: /^\+ .* C "54000" M "a row is too large/ },
    {
      because: "the API counts what was changed, and not what was moved over or selected into a table",
      sign: /^\+ CommandComplete "(SELECT|MOVE) 0"$/,
    },
    {
      because: "an error comes alone, without the rows before it",
      of: { copy: ["out, failing midway", "out, failing midway inside a transaction"] },
    },
    {
      because: "what a COPY brings is inserted when there is enough of it, or all",
      of: { copy: ["bad data then CopyFail"] },
    },
    {
      because: "a commit that fails does so behind the rows of the last statement, which were there before",
      of: {
        "simple-query": ["a deferred constraint fails at the end, in place of the last CommandComplete"],
      },
    },
    {
      because: "the error of a Bind comes behind the description that the client asked for before",
      of: { statements: ["more parameter types than parameters"] },
    },
    {
      because: "a portal's statement runs as a whole, so that an error in it comes before its first rows",
      of: { portals: ["an error in the middle of a suspended portal"] },
    },
    {
      because: "pg_notify() is the cluster's, which the gateway's listeners do not hear",
      of: {
        notices: [
          "pg_notify and pg_listening_channels",
          "NOTIFY through the extended protocol comes before ReadyForQuery",
        ],
      },
    },
  ],
  async start() {
    const double = await RdsDataDouble.start();
    const { region, ...options } = parseRdsDataUrl(double.url);
    const upstream = rdsDataUpstream({
      ...options,
      signedFetch: signedFetchOf(credentials, region),
      parser: await loadParser(),
    });
    return {
      upstream,
      admin: (sql) => double.db.exec(sql),
      async close() {
        await upstream.close?.();
        await double.close();
      },
    };
  },
};
