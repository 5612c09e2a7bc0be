// The example exchange of RFC 7677, section 3, from both sides.

import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../../src/auth/base64.ts";
import { ScramClient } from "../../src/auth/scram-client.ts";
import { bytesToMessage, messageToBytes } from "../../src/auth/scram-messages.ts";
import { ScramServer } from "../../src/auth/scram-server.ts";
import { parseVerifier, scramVerifier } from "../../src/auth/verifier.ts";

const clientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const clientFinal =
  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

test("the client", async () => {
  const client = new ScramClient({
    password: "pencil",
    flag: "n",
    minIterations: 4096,
    maxIterations: 4096,
    nonce: () => "rOprNGfwEbeRWgbNEkqO",
    user: "user",
  });
  expect(bytesToMessage(client.first())).toBe(clientFirst);
  expect(bytesToMessage(await client.final(messageToBytes(serverFirst)))).toBe(clientFinal);
  expect(() => client.verify(messageToBytes(serverFinal))).not.toThrow();
  expect(() => client.verify(messageToBytes(serverFinal.replace("v=6", "v=7")))).toThrow(
    "incorrect server signature",
  );
});

test("the server", async () => {
  const salt = decodeBase64("W22ZaJ0SNY7soEsUEjb6gQ==") as Uint8Array;
  const verifier = parseVerifier(await scramVerifier("pencil", { salt }));
  if (verifier.type !== "scram-sha-256") throw new Error(verifier.type);
  const server = new ScramServer({
    verifier,
    doomed: false,
    plus: false,
    endPoint: undefined,
    nonce: () => "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  });
  expect(bytesToMessage(server.first(messageToBytes(clientFirst)))).toBe(serverFirst);
  const final = await server.final(messageToBytes(clientFinal));
  expect(final && bytesToMessage(final)).toBe(serverFinal);
});

test("base64 is padded and strict", () => {
  for (const text of ["", "YQ==", "YWI=", "YWJj", "+/+/"]) {
    expect(encodeBase64(decodeBase64(text) as Uint8Array)).toBe(text);
  }
  for (const text of ["Y", "YQ", "YQ=", "YQ===", "YW I=", "YWI=\n", "=", "-_-_", "YQ==YQ=="]) {
    expect(decodeBase64(text)).toBeUndefined();
  }
});

test("a doomed exchange fails even with the right proof", async () => {
  const salt = decodeBase64("W22ZaJ0SNY7soEsUEjb6gQ==") as Uint8Array;
  const verifier = parseVerifier(await scramVerifier("pencil", { salt }));
  if (verifier.type !== "scram-sha-256") throw new Error(verifier.type);
  const nonce = () => "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const server = new ScramServer({ verifier, doomed: true, plus: false, endPoint: undefined, nonce });
  expect(bytesToMessage(server.first(messageToBytes(clientFirst)))).toBe(serverFirst);
  expect(await server.final(messageToBytes(clientFinal))).toBeUndefined();
});
