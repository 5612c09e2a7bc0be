// `rds-data://` as an upstream: AWS's RDS Data API, with requests signed by aws4fetch. On Node and Deno.
import { AwsClient } from "aws4fetch";
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { parseRdsDataUrl, rdsDataUpstream, type SignedFetch } from "../../src/upstreams/rds-data/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { loadParser } from "./parser.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/**
 * Serves an Aurora cluster: `rds-data://region/cluster-arn?secret=arn&database=name`. The credentials are those of the
 * environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
 * @throws ConfigError that says what is wrong with the URL, or missing
 */
export async function openRdsData(url: string): Promise<Upstream> {
  try {
    const { region, ...options } = parseRdsDataUrl(url);
    const signedFetch = signedFetchOf(environmentCredentials(), region);
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

/** Signs with Signature Version 4, and sends by the runtime's fetch. */
export function signedFetchOf(credentials: AwsCredentials, region: string): SignedFetch {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken && { sessionToken }),
    service: "rds-data",
    region,
    // A statement may have run when its answer is an error of the server: the upstream knows what may be tried again.
    retries: 0,
  });
  return async ({ url, method, headers, body, signal }) => {
    // The signal goes to fetch alone: a Request that is made with one holds on to it.
    const signed = await client.sign(url, { method, headers, body });
    return fetch(url, { method, headers: signed.headers, body, signal });
  };
}
