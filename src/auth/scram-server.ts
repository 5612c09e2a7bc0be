// The server's side of one SCRAM-SHA-256(-PLUS) exchange (RFC 5802 section 5), without the messages that carry it.

import { fatal } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { encodeBase64 } from "./base64.ts";
import { equalBytes } from "./constant-time.ts";
import { proofMatches, randomNonce, scramKeyLength, serverSignature } from "./scram.ts";
import {
  bindingType,
  bytesToMessage,
  type ClientFinal,
  type ClientFirst,
  messageToBytes,
  parseClientFinal,
  parseClientFirst,
} from "./scram-messages.ts";
import type { ScramVerifier } from "./verifier.ts";

/** The verifier of nobody: an exchange with it looks like any other and always fails. */
export function doomedVerifier(salt: Uint8Array, iterations: number): ScramVerifier {
  const zeros = new Uint8Array(scramKeyLength);
  return { type: "scram-sha-256", iterations, salt, storedKey: zeros, serverKey: zeros };
}

export interface ScramServerOptions {
  readonly verifier: ScramVerifier;
  /** The login fails whatever the client proves. */
  readonly doomed: boolean;
  /** The client selected SCRAM-SHA-256-PLUS. */
  readonly plus: boolean;
  /** Data of tls-server-end-point; set when SCRAM-SHA-256-PLUS was offered. */
  readonly endPoint: Uint8Array | undefined;
  readonly nonce?: () => string;
}

/** What tls-server-end-point wants in `c=`: its header, then its data. */
function boundTo(endPoint: Uint8Array): string {
  const header = messageToBytes(`p=${bindingType},,`);
  const input = new Uint8Array(header.length + endPoint.length);
  input.set(header);
  input.set(endPoint, header.length);
  return encodeBase64(input);
}

export class ScramServer {
  readonly #options: ScramServerOptions;
  #clientFirst: ClientFirst | undefined;
  #serverFirst = "";
  #nonce = "";

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  /** Takes client-first-message, gives server-first-message. */
  first(body: Uint8Array): Uint8Array {
    const { verifier, plus, endPoint, nonce = randomNonce } = this.#options;
    this.#clientFirst = parseClientFirst(bytesToMessage(body), plus, endPoint !== undefined);
    this.#nonce = this.#clientFirst.nonce + nonce();
    this.#serverFirst = `r=${this.#nonce},s=${encodeBase64(verifier.salt)},i=${verifier.iterations}`;
    return messageToBytes(this.#serverFirst);
  }

  /** Takes client-final-message, gives server-final-message, or undefined when the client does not have the password. */
  async final(body: Uint8Array): Promise<Uint8Array | undefined> {
    const { verifier, doomed } = this.#options;
    const clientFirst = this.#clientFirst as ClientFirst;
    const final = parseClientFinal(bytesToMessage(body), (binding) =>
      this.#checkBinding(binding, clientFirst),
    );
    this.#checkNonce(final);

    const signed = messageToBytes(`${clientFirst.bare},${this.#serverFirst},${final.withoutProof}`);
    // The proof is computed for the doomed too: they must not be told by the time it takes.
    const proven = await proofMatches(verifier.storedKey, signed, final.proof);
    const signature = await serverSignature(verifier.serverKey, signed);
    if (!proven || doomed) return undefined;
    return messageToBytes(`v=${encodeBase64(signature)}`);
  }

  #checkBinding(binding: string, { flag }: ClientFirst): void {
    const { plus, endPoint } = this.#options;
    if (plus && endPoint !== undefined) {
      if (equalBytes(messageToBytes(binding), messageToBytes(boundTo(endPoint)))) return;
      throw fatal(sqlstate.invalidAuthorizationSpecification, "SCRAM channel binding check failed");
    }
    // Base64 of the header alone, "n,," or "y,,".
    if (binding === encodeBase64(messageToBytes(`${flag},,`))) return;
    throw fatal(
      sqlstate.protocolViolation,
      "unexpected SCRAM channel-binding attribute in client-final-message",
    );
  }

  #checkNonce(final: ClientFinal): void {
    if (equalBytes(messageToBytes(final.nonce), messageToBytes(this.#nonce))) return;
    throw fatal(sqlstate.protocolViolation, "invalid SCRAM response", { detail: "Nonce does not match." });
  }
}
