// Prints messages the way libpq's PQtrace does (libpq 18), so that a trace can be held against one of a real client.
// One departure: passwords, SASL data and GSS tokens are never printed, only blanked as libpq's regress mode would.
// PostgreSQL documentation, "Control Functions" of libpq, PQtrace and PQsetTraceFlags.

import { frontendCodes } from "./codes.ts";
import type { Frame } from "./framer.ts";
import type { PasswordKind } from "./frontend.ts";
import {
  authenticationLayouts,
  backendLayouts,
  frontendLayouts,
  type Layout,
  passwordLayouts,
  startupLayouts,
} from "./trace-layouts.ts";

export interface TraceOptions {
  /** Blank what differs from run to run, as PQTRACE_REGRESS_MODE does: OIDs, process ids, source lines, COPY data. */
  regress?: boolean;
  /** What a frontend message with code `p` is. Default: it is not known, and its content is not printed. */
  password?: PasswordKind;
  /** Printed before the line, in local time. Default: none. */
  timestamp?: Date;
}

/**
 * One message as PQtrace prints it: direction, length, name, fields, separated by tabs; no newline at the end. A body
 * that does not fit its message gets a second line that says so.
 *
 * @param from F for the frontend's messages, B for the backend's.
 */
export function traceFrame(from: "F" | "B", frame: Frame, options: TraceOptions = {}): string {
  const regress = options.regress ?? false;
  const [name, fields] = layoutOf(from, frame, options.password);
  const printer = new Printer(frame.body, regress);
  const complete = printer.print(fields);
  const expected = frame.body.length + 4;
  const length = regress && fields === "E" ? "NN" : expected;
  let line = `${from}\t${length}\t${name}${printer.text === "" ? "" : `\t${printer.text}`}`;
  if (options.timestamp !== undefined) line = `${timestampText(options.timestamp)}\t${line}`;
  // libpq does not know that MD5's salt is there, and complains; it is not printed here either.
  if ((!complete || printer.left > 0) && name !== "AuthenticationMD5Password") {
    line += `\nmismatched message length: consumed ${expected - printer.left}, expected ${expected}`;
  }
  return line;
}

/** The byte that answers an SSLRequest or GSSENCRequest. */
export function traceAnswer(name: "SSLResponse" | "GSSENCResponse", answer: string): string {
  return `B\t1\t${name}\t ${answer}`;
}

function layoutOf(from: "F" | "B", frame: Frame, password: PasswordKind | undefined): Layout {
  const letter = String.fromCharCode(frame.code);
  const unknown: Layout = [`Unknown message: ${frame.code.toString(16).padStart(2, "0")}`, ""];
  if (frame.code === 0) return startupLayouts[firstWord(frame.body)] ?? ["StartupMessage", "hhp"];
  if (from === "F") {
    if (frame.code !== frontendCodes.PasswordMessage) return frontendLayouts[letter] ?? unknown;
    return password === undefined ? ["UnknownAuthenticationResponse", "X"] : passwordLayouts[password];
  }
  if (letter !== "R") return backendLayouts[letter] ?? unknown;
  const method = firstWord(frame.body);
  const [name, fields] = authenticationLayouts[method] ?? [`Unknown authentication message ${method}`, ""];
  return [name, `w${fields}`];
}

function firstWord(body: Uint8Array): number {
  return body.length < 4 ? -1 : new DataView(body.buffer, body.byteOffset).getInt32(0);
}

/** `2026-11-22 09:26:00.123000`, as libpq: local time, microseconds. */
function timestampText(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return `${local.toISOString().replace("T", " ").replace("Z", "")}000`;
}

const lossyText = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Prints a body by its layout, and stops where the body ends too early. */
class Printer {
  text = "";
  #at = 0;
  readonly #body: Uint8Array;
  readonly #regress: boolean;

  constructor(body: Uint8Array, regress: boolean) {
    this.#body = body;
    this.#regress = regress;
  }

  get left(): number {
    return this.#body.length - this.#at;
  }

  /** False if the body ended before the layout did. */
  print(fields: string): boolean {
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as string;
      if (field === "[" || field === "{") {
        const close = fields.indexOf(field === "[" ? "]" : "}", i);
        if (!this.#repeat(field === "[" ? 2 : 4, fields.slice(i + 1, close))) return false;
        i = close;
      } else if (!this.#field(field)) {
        return false;
      }
    }
    return true;
  }

  #field(field: string): boolean {
    switch (field) {
      case "w":
        return this.#integer(4) !== undefined;
      case "h":
        return this.#number(this.#integer(2), false);
      case "i":
        return this.#number(this.#integer(4), false);
      case "o":
        return this.#number(this.#integer(4), this.#regress);
      case "b":
        return this.#byte() !== undefined;
      case "s":
        return this.#string(false) !== undefined;
      case "x":
        return this.#string(true) !== undefined;
      case "v":
        return this.#value();
      case "d":
        return this.#bytes(this.left, this.#regress);
      case "X":
        return this.left === 0 || this.#bytes(this.left, true);
      case "m":
        return this.#strings();
      case "p":
        while (this.left > 1 && this.#body[this.#at] !== 0)
          if (this.#string(false) === undefined) return false;
        return this.#take(1) !== undefined;
      default:
        return this.#errorFields();
    }
  }

  #repeat(size: number, fields: string): boolean {
    const count = this.#integer(size);
    if (!this.#number(count, false)) return false;
    for (let i = 0; i < (count ?? 0); i++) if (!this.print(fields)) return false;
    return true;
  }

  #integer(size: number): number | undefined {
    const at = this.#take(size);
    if (at === undefined) return undefined;
    const view = new DataView(this.#body.buffer, this.#body.byteOffset);
    return size === 2 ? view.getUint16(at) : view.getInt32(at);
  }

  #number(value: number | undefined, blank: boolean): boolean {
    if (value === undefined) return false;
    this.text += blank ? " NNNN" : ` ${value}`;
    return true;
  }

  #byte(): number | undefined {
    const at = this.#take(1);
    if (at === undefined) return undefined;
    const byte = this.#body[at] as number;
    this.text += ` ${printable(byte)}`;
    return byte;
  }

  #string(blank: boolean): string | undefined {
    const end = this.#body.indexOf(0, this.#at);
    if (end < 0) return undefined;
    const value = lossyText.decode(this.#body.subarray(this.#at, end));
    this.#at = end + 1;
    this.text += blank ? ' "SSSS"' : ` "${value}"`;
    return value;
  }

  #strings(): boolean {
    let value: string | undefined;
    do value = this.#string(false);
    while (value !== undefined && value !== "");
    return value !== undefined;
  }

  #value(): boolean {
    const length = this.#integer(4);
    if (!this.#number(length, false)) return false;
    return length === -1 || this.#bytes(length as number, false);
  }

  #bytes(length: number, blank: boolean): boolean {
    const at = this.#take(length);
    if (at === undefined) return false;
    if (blank) this.text += " 'BBBB'";
    else this.text += ` '${Array.from(this.#body.subarray(at, at + length), printable).join("")}'`;
    return true;
  }

  #errorFields(): boolean {
    for (;;) {
      const code = this.#byte();
      if (code === undefined) return false;
      if (code === 0) return true;
      const varies = code === 0x46 || code === 0x4c || code === 0x52; // F, L, R: where in the server's source
      if (this.#string(this.#regress && varies) === undefined) return false;
    }
  }

  #take(length: number): number | undefined {
    if (length < 0 || length > this.left) return undefined;
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** ASCII as it is, every other byte as `\xe9`. */
function printable(byte: number): string {
  if (byte >= 0x20 && byte <= 0x7e) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
