// Mock authentication: a user who does not exist, or has no password, goes through the same SCRAM exchange as one who
// does, and fails at its end. Otherwise the salt in the server's first message would tell who exists.

import { defaultIterations, hmacSha256 } from "./scram.ts";

export interface MockAuthentication {
  /**
   * What the salts of unknown users are made from. Default: random for each process. Give one, from your secrets, where
   * several processes or isolates answer for the same users: a salt that changes from one to the next gives it away.
   */
  readonly secret?: Uint8Array;
  /** The iteration count shown for unknown users; default 4096. Use the one that your verifiers have. */
  readonly iterations?: number;
}

let processSecret: Uint8Array | undefined;

/** The salt shown for a user, always the same for one secret: 16 bytes. */
export async function mockSalt(user: string, mock: MockAuthentication | undefined): Promise<Uint8Array> {
  // Not when the module loads: Cloudflare Workers have no random numbers outside of a request.
  processSecret ??= crypto.getRandomValues(new Uint8Array(32));
  const digest = await hmacSha256(mock?.secret ?? processSecret, new TextEncoder().encode(user));
  return digest.slice(0, 16);
}

export function mockIterations(mock: MockAuthentication | undefined): number {
  return mock?.iterations ?? defaultIterations;
}
