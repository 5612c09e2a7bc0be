// The four messages of a SCRAM exchange (RFC 5802 section 7), read as PostgreSQL reads them and refused with its texts.
//
// A message is handled as a string with one character for each byte: the client's half may be in any encoding, its
// bytes are hashed as they came, and what is not printable ASCII is never shown in an error.

import { fatal, type PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeBase64 } from "./base64.ts";
import { scramKeyLength } from "./scram.ts";

export function bytesToMessage(bytes: Uint8Array): string {
  let message = "";
  for (const byte of bytes) message += String.fromCharCode(byte);
  return message;
}

export function messageToBytes(message: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(message, (character) => character.charCodeAt(0));
}

function malformed(detail: string): PgError {
  return fatal(sqlstate.protocolViolation, "malformed SCRAM message", { detail });
}

/** A character for an error text: as it is when it is printable ASCII, else in hexadecimal; "" stands for the end. */
function shown(character: string): string {
  if (/^[!-~]$/.test(character)) return `'${character}'`;
  return `0x${(character === "" ? 0 : character.charCodeAt(0)).toString(16).padStart(2, "0")}`;
}

/** Walks the comma-separated attributes of one message. */
class Attributes {
  readonly text: string;
  offset = 0;

  constructor(text: string) {
    if (text === "") throw malformed("The message is empty.");
    if (text.includes("\0")) throw malformed("Message length does not match input length.");
    this.text = text;
  }

  get atEnd(): boolean {
    return this.offset === this.text.length;
  }

  /** The next character, "" at the end. */
  peek(): string {
    return this.text.charAt(this.offset);
  }

  /** Steps over a comma that the grammar wants here. */
  comma(refusal: (found: string) => string): void {
    if (this.peek() !== ",") throw malformed(refusal(shown(this.peek())));
    this.offset++;
  }

  /** The value of the next attribute, which must have this name. */
  value(name: string): string {
    const found = this.peek();
    if (found !== name) throw malformed(`Expected attribute "${name}" but found "${shown(found)}".`);
    return this.#valueOf(name);
  }

  /** The next attribute, whatever its name. */
  any(): { name: string; value: string } {
    const name = this.peek();
    if (name === "") throw malformed("Attribute expected, but found end of string.");
    if (!/^[A-Za-z]$/.test(name)) {
      throw malformed(`Attribute expected, but found invalid character "${shown(name)}".`);
    }
    return { name, value: this.#valueOf(name) };
  }

  #valueOf(name: string): string {
    if (this.text.charAt(this.offset + 1) !== "=") {
      throw malformed(`Expected character "=" for attribute "${name}".`);
    }
    const start = this.offset + 2;
    const comma = this.text.indexOf(",", start);
    const end = comma === -1 ? this.text.length : comma;
    this.offset = comma === -1 ? end : end + 1;
    return this.text.slice(start, end);
  }
}

/** How a side stands to channel binding: "n" will not, "y" would but thinks the other cannot, "p" does. */
export type BindingFlag = "n" | "y" | "p";

/** The one channel binding type of PostgreSQL (RFC 5929 section 4). */
export const bindingType = "tls-server-end-point";

export interface ClientFirst {
  readonly flag: BindingFlag;
  /** The message without its channel binding header: a part of what both sides sign. */
  readonly bare: string;
  readonly nonce: string;
}

function bindingFlag(attributes: Attributes, plus: boolean, plusOffered: boolean): BindingFlag {
  const flag = attributes.peek();
  if (flag !== "n" && flag !== "y" && flag !== "p") {
    throw malformed(`Unexpected channel-binding flag "${shown(flag)}".`);
  }
  if (flag === "p") {
    if (!plus) {
      throw malformed(
        "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
      );
    }
    const type = attributes.value("p");
    if (type !== bindingType) {
      const printable = type.slice(0, 30).replace(/[^!-~]/g, "?");
      throw fatal(sqlstate.protocolViolation, `unsupported SCRAM channel-binding type "${printable}"`);
    }
    return flag;
  }
  if (plus) {
    throw malformed(
      "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
    );
  }
  // Somebody between the two took SCRAM-SHA-256-PLUS off the list that was offered.
  if (flag === "y" && plusOffered) {
    throw fatal(sqlstate.invalidAuthorizationSpecification, "SCRAM channel binding negotiation error", {
      detail:
        "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.",
    });
  }
  attributes.offset++;
  attributes.comma((found) => `Comma expected, but found character "${found}".`);
  return flag;
}

/**
 * Reads client-first-message.
 *
 * @param plus whether the client selected SCRAM-SHA-256-PLUS
 * @param plusOffered whether it could have
 */
export function parseClientFirst(message: string, plus: boolean, plusOffered: boolean): ClientFirst {
  const attributes = new Attributes(message);
  const flag = bindingFlag(attributes, plus, plusOffered);
  if (attributes.peek() === "a") {
    throw fatal(sqlstate.featureNotSupported, "client uses authorization identity, but it is not supported");
  }
  attributes.comma((found) => `Unexpected attribute "${found}" in client-first-message.`);

  const bare = attributes.text.slice(attributes.offset);
  if (attributes.peek() === "m") {
    throw fatal(sqlstate.featureNotSupported, "client requires an unsupported SCRAM extension");
  }
  // The user name of the startup packet counts. libpq leaves this one empty, other drivers send "*" or the name.
  attributes.value("n");
  const nonce = attributes.value("r");
  if (!/^[!-+\--~]*$/.test(nonce)) {
    throw fatal(sqlstate.protocolViolation, "non-printable characters in SCRAM nonce");
  }
  while (!attributes.atEnd) attributes.any();
  return { flag, bare, nonce };
}

export interface ClientFinal {
  /** Base64 of the channel binding header and data. */
  readonly binding: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** The message up to the proof: a part of what both sides sign. */
  readonly withoutProof: string;
}

/**
 * Reads client-final-message.
 *
 * @param checkBinding refuses the wrong channel binding, before the rest of the message is looked at
 */
export function parseClientFinal(message: string, checkBinding: (binding: string) => void): ClientFinal {
  const attributes = new Attributes(message);
  const binding = attributes.value("c");
  checkBinding(binding);
  const nonce = attributes.value("r");

  let start = attributes.offset;
  let attribute = attributes.any();
  while (attribute.name !== "p") {
    start = attributes.offset;
    attribute = attributes.any();
  }
  const proof = decodeBase64(attribute.value);
  if (proof?.length !== scramKeyLength) throw malformed("Malformed proof in client-final-message.");
  if (!attributes.atEnd) throw malformed("Garbage found at the end of client-final-message.");
  return { binding, nonce, proof, withoutProof: message.slice(0, start - 1) };
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

/** Reads server-first-message. */
export function parseServerFirst(message: string): ServerFirst {
  const attributes = new Attributes(message);
  if (attributes.peek() === "m") {
    throw fatal(sqlstate.featureNotSupported, "server requires an unsupported SCRAM extension");
  }
  const nonce = attributes.value("r");
  const salt = decodeBase64(attributes.value("s"));
  if (salt === undefined) throw malformed("Invalid salt in server-first-message.");
  const iterations = attributes.value("i");
  if (!/^[1-9][0-9]{0,9}$/.test(iterations))
    throw malformed("Invalid iteration count in server-first-message.");
  if (!attributes.atEnd) throw malformed("Garbage found at the end of server-first-message.");
  return { nonce, salt, iterations: Number(iterations) };
}

/** Reads server-final-message: the signature that proves the server, or the error it reports instead. */
export function parseServerFinal(message: string): Uint8Array {
  const attributes = new Attributes(message);
  if (attributes.peek() === "e") {
    const reported = attributes
      .value("e")
      .slice(0, 100)
      .replace(/[^ -~]/g, "?");
    throw fatal(sqlstate.invalidPassword, `error received from server in SCRAM exchange: ${reported}`);
  }
  const signature = decodeBase64(attributes.value("v"));
  if (signature?.length !== scramKeyLength) throw malformed("Invalid signature in server-final-message.");
  if (!attributes.atEnd) throw malformed("Garbage found at the end of server-final-message.");
  return signature;
}
