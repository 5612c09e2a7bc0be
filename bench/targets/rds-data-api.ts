// The RDS Data API for the upstreams part: the double of the tests, before the server of EDGEWIRE_BENCH_DATABASE.

import { RdsDataDouble } from "../../test/upstreams/rds-data/double.ts";
import { endWhenTold } from "./announce.ts";
import { announceBehindWire } from "./delayed-wire.ts";

endWhenTold();
const database = process.env.EDGEWIRE_BENCH_DATABASE;
const double = await RdsDataDouble.start(undefined, database ? Number(new URL(database).port) : undefined);
await announceBehindWire(Number(new URL(double.endpoint).port), () => {
  const counted = double.asked.length;
  double.forget();
  return counted;
});
