// Authentication of the PostgreSQL protocol, server's and client's side.

export { type CertificateHash, certificateHash, endPointHash } from "./channel-binding.ts";
export { type ClientExchange, type ClientExchangeOptions, clientExchange } from "./client.ts";
export { equalBytes } from "./constant-time.ts";
export { md5, md5Hex, md5PasswordHash, md5Response } from "./md5.ts";
export type { MockAuthentication } from "./mock.ts";
export { saslprep } from "./saslprep.ts";
export { defaultIterations } from "./scram.ts";
export {
  type AuthStep,
  type ServerExchange,
  type ServerExchangeOptions,
  serverExchange,
} from "./server.ts";
export {
  type AuthMethod,
  type AuthRule,
  type AuthSource,
  callbackAuthSource,
  type Login,
  staticAuthSource,
  type TlsInfo,
  trustAuthSource,
} from "./source.ts";
export {
  formatScramVerifier,
  md5Verifier,
  parseVerifier,
  type ScramVerifier,
  scramVerifier,
  type Verifier,
} from "./verifier.ts";
