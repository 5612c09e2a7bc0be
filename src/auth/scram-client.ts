// The client's side of one SCRAM-SHA-256(-PLUS) exchange (RFC 5802 section 5), without the messages that carry it.

import { fatal } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { encodeBase64 } from "./base64.ts";
import { equalBytes } from "./constant-time.ts";
import { preparePassword } from "./saslprep.ts";
import { clientProof, randomNonce, scramKeys, serverSignature } from "./scram.ts";
import {
  type BindingFlag,
  bindingType,
  bytesToMessage,
  messageToBytes,
  parseServerFinal,
  parseServerFirst,
} from "./scram-messages.ts";

export interface ScramClientOptions {
  readonly password: string;
  readonly flag: BindingFlag;
  /** Data of tls-server-end-point, with the flag "p". */
  readonly endPoint?: Uint8Array | undefined;
  readonly minIterations: number;
  readonly maxIterations: number;
  readonly nonce?: (() => string) | undefined;
  /** The name inside of client-first-message, which PostgreSQL ignores; default "", as libpq sends. */
  readonly user?: string;
}

export class ScramClient {
  readonly #options: ScramClientOptions;
  readonly #header: string;
  readonly #nonce: string;
  readonly #bare: string;
  #expectedSignature: Uint8Array | undefined;

  constructor(options: ScramClientOptions) {
    this.#options = options;
    this.#header = options.flag === "p" ? `p=${bindingType},,` : `${options.flag},,`;
    this.#nonce = (options.nonce ?? randomNonce)();
    this.#bare = `n=${options.user ?? ""},r=${this.#nonce}`;
  }

  /** client-first-message. */
  first(): Uint8Array {
    return messageToBytes(this.#header + this.#bare);
  }

  /** Takes server-first-message, gives client-final-message. */
  async final(body: Uint8Array): Promise<Uint8Array> {
    const { password, endPoint, minIterations, maxIterations } = this.#options;
    const serverFirst = bytesToMessage(body);
    const { nonce, salt, iterations } = parseServerFirst(serverFirst);
    // A nonce that is only ours would let the server replay another exchange.
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw fatal(sqlstate.protocolViolation, "invalid SCRAM response", { detail: "Nonce does not match." });
    }
    if (iterations < minIterations || iterations > maxIterations) {
      throw fatal(sqlstate.protocolViolation, `server asked for ${iterations} SCRAM iterations`, {
        detail: `Only ${minIterations} to ${maxIterations} are allowed.`,
      });
    }

    const keys = await scramKeys(preparePassword(password), salt, iterations);
    const binding = messageToBytes(this.#header + (endPoint ? bytesToMessage(endPoint) : ""));
    const withoutProof = `c=${encodeBase64(binding)},r=${nonce}`;
    const signed = messageToBytes(`${this.#bare},${serverFirst},${withoutProof}`);
    this.#expectedSignature = await serverSignature(keys.serverKey, signed);
    return messageToBytes(`${withoutProof},p=${encodeBase64(await clientProof(keys, signed))}`);
  }

  /** Takes server-final-message; throws unless the server proved that it knows the password. */
  verify(body: Uint8Array): void {
    const signature = parseServerFinal(bytesToMessage(body));
    if (this.#expectedSignature && equalBytes(signature, this.#expectedSignature)) return;
    throw fatal(sqlstate.invalidAuthorizationSpecification, "incorrect server signature");
  }
}
