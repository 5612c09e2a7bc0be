// `rds-data://` as an upstream on Workers: AWS's RDS Data API, with the credentials of the Worker's secrets.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../src/upstreams/rds-data/mod.ts";
import { type AwsCredentials, signedFetchOf } from "../node/signed-fetch.ts";
import { configured } from "./connection-url.ts";
import type { Env } from "./env.ts";
import { loadParser } from "./parser.ts";

/**
 * Serves an Aurora cluster: `rds-data://region/cluster-arn?secret=arn&database=name`. The credentials are the secrets
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN.
 * @throws ConfigError that says what is wrong with the URL, or missing
 */
export async function openRdsData(url: string, env: Env): Promise<Upstream> {
  const { region, ...options } = configured(() => parseRdsDataUrl(url));
  const signedFetch = signedFetchOf(credentialsOf(env), region);
  return rdsDataUpstream({ ...options, signedFetch, parser: await loadParser() });
}

function credentialsOf(env: Env): AwsCredentials {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw new ConfigError("the RDS Data API needs the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  return { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN };
}
