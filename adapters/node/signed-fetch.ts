// Requests to AWS, signed by aws4fetch: on every runtime.
import { AwsV4Signer } from "aws4fetch";
import type { SignedFetch } from "../../src/upstreams/rds-data/mod.ts";
import type { Post } from "./post.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** Signs with Signature Version 4, and sends by the runtime's fetch, or by another way to post. */
export function signedFetchOf(credentials: AwsCredentials, region: string, post: Post = fetch): SignedFetch {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signing = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken && { sessionToken }),
    service: "rds-data",
    region,
    /** The day's key. */
    cache: new Map<string, ArrayBuffer>(),
  };
  return async ({ url, method, headers, body, signal }) => {
    const signed = await new AwsV4Signer({ ...signing, url, method, headers, body }).sign();
    return post(url, { method, headers: Object.fromEntries(signed.headers), body, signal });
  };
}
