// Requests to AWS, signed by aws4fetch and sent by the standard's fetch: on every runtime.
import { AwsClient } from "aws4fetch";
import type { SignedFetch } from "../../src/upstreams/rds-data/mod.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
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
