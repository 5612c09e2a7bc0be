// The Authentication* family: one code, R, and an int32 that tells them apart (PostgreSQL documentation, "Message
// Formats"). Methods 1 (Kerberos V4) and 4 (crypt) left PostgreSQL long ago and have no name here.

import { backendCodes } from "./codes.ts";
import { protocolError } from "./error.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

export type AuthenticationMessage =
  | { type: "AuthenticationOk" }
  | { type: "AuthenticationKerberosV5" }
  | { type: "AuthenticationCleartextPassword" }
  | { type: "AuthenticationMD5Password" /** Four bytes. */; salt: Uint8Array }
  | { type: "AuthenticationSCMCredential" }
  | { type: "AuthenticationGSS" }
  | { type: "AuthenticationGSSContinue"; data: Uint8Array }
  | { type: "AuthenticationSSPI" }
  | { type: "AuthenticationSASL" /** In the server's order of preference. */; mechanisms: string[] }
  | { type: "AuthenticationSASLContinue"; data: Uint8Array }
  | { type: "AuthenticationSASLFinal"; data: Uint8Array };

const methods = {
  AuthenticationOk: 0,
  AuthenticationKerberosV5: 2,
  AuthenticationCleartextPassword: 3,
  AuthenticationMD5Password: 5,
  AuthenticationSCMCredential: 6,
  AuthenticationGSS: 7,
  AuthenticationGSSContinue: 8,
  AuthenticationSSPI: 9,
  AuthenticationSASL: 10,
  AuthenticationSASLContinue: 11,
  AuthenticationSASLFinal: 12,
} as const;

export function writeAuthentication(writer: Writer, message: AuthenticationMessage): void {
  writer.begin(backendCodes.Authentication);
  writer.int32(methods[message.type]);
  switch (message.type) {
    case "AuthenticationMD5Password":
      writer.bytes(message.salt);
      break;
    case "AuthenticationSASL":
      for (const mechanism of message.mechanisms) writer.cstring(mechanism);
      writer.byte(0);
      break;
    case "AuthenticationGSSContinue":
    case "AuthenticationSASLContinue":
    case "AuthenticationSASLFinal":
      writer.bytes(message.data);
      break;
  }
  writer.end();
}

export function readAuthentication(reader: Reader): AuthenticationMessage {
  const method = reader.int32();
  switch (method) {
    case methods.AuthenticationOk:
      return { type: "AuthenticationOk" };
    case methods.AuthenticationKerberosV5:
      return { type: "AuthenticationKerberosV5" };
    case methods.AuthenticationCleartextPassword:
      return { type: "AuthenticationCleartextPassword" };
    case methods.AuthenticationMD5Password:
      return { type: "AuthenticationMD5Password", salt: reader.bytes(4) };
    case methods.AuthenticationSCMCredential:
      return { type: "AuthenticationSCMCredential" };
    case methods.AuthenticationGSS:
      return { type: "AuthenticationGSS" };
    case methods.AuthenticationGSSContinue:
      return { type: "AuthenticationGSSContinue", data: reader.rest() };
    case methods.AuthenticationSSPI:
      return { type: "AuthenticationSSPI" };
    case methods.AuthenticationSASL:
      return { type: "AuthenticationSASL", mechanisms: readMechanisms(reader) };
    case methods.AuthenticationSASLContinue:
      return { type: "AuthenticationSASLContinue", data: reader.rest() };
    case methods.AuthenticationSASLFinal:
      return { type: "AuthenticationSASLFinal", data: reader.rest() };
    default:
      throw protocolError(`authentication method ${method} not supported`);
  }
}

function readMechanisms(reader: Reader): string[] {
  const mechanisms: string[] = [];
  for (;;) {
    const mechanism = reader.cstring();
    if (mechanism === "") return mechanisms;
    mechanisms.push(mechanism);
  }
}
