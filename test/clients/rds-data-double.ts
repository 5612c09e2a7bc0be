/**
 * The double of the RDS Data API as a process: prints the `rds-data:` URL to serve, and ends at SIGTERM. It takes requests
 * signed with the credentials in its environment. The argument is the port of the server that it stands before.
 */

import { RdsDataDouble } from "../upstreams/rds-data/double.ts";

const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "", AWS_SESSION_TOKEN = "" } = process.env;
const keys = {
  accessKeyId: AWS_ACCESS_KEY_ID,
  secretAccessKey: AWS_SECRET_ACCESS_KEY,
  sessionToken: AWS_SESSION_TOKEN,
};
const port = process.argv[2];
const double = await RdsDataDouble.start(keys, port ? Number(port) : undefined);
process.once("SIGTERM", () => void double.close());
process.stdout.write(`${double.url}\n`);
