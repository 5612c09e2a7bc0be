// `rds-data://` as an upstream: AWS's RDS Data API, with the credentials of the environment. On Node and Deno.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../src/upstreams/rds-data/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { runtimePost } from "./http-post.ts";
import { loadParser } from "./parser.ts";
import { type AwsCredentials, signedFetchOf } from "./signed-fetch.ts";

/**
 * Serves an Aurora cluster: `rds-data://region/cluster-arn?secret=arn&database=name`. The credentials are those of the
 * environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
 * @throws ConfigError that says what is wrong with the URL, or missing
 */
export async function openRdsData(url: string): Promise<Upstream> {
  try {
    const { region, ...options } = parseRdsDataUrl(url);
    const signedFetch = signedFetchOf(environmentCredentials(), region, runtimePost());
    return rdsDataUpstream({ ...options, signedFetch, parser: await loadParser() });
  } catch (error) {
    if (error instanceof PgError) throw new ConfigError(error.message);
    throw error;
  }
}

function environmentCredentials(): AwsCredentials {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  if (!accessKeyId || !secretAccessKey) {
    throw new ConfigError(
      "the RDS Data API needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
    );
  }
  return { accessKeyId, secretAccessKey, sessionToken: process.env.AWS_SESSION_TOKEN };
}
