// Messages that are always the same bytes, encoded once. They are shared: never transfer or write to them.

function frame(letter: string, ...body: number[]): Uint8Array {
  const length = body.length + 4;
  return Uint8Array.of(letter.charCodeAt(0), 0, 0, 0, length, ...body);
}

export type ConstantFrame =
  | "authenticationOk"
  | "authenticationCleartextPassword"
  | "bindComplete"
  | "closeComplete"
  | "emptyQueryResponse"
  | "noData"
  | "parseComplete"
  | "portalSuspended"
  | "readyForQueryIdle"
  | "readyForQueryInTransaction"
  | "readyForQueryFailed"
  | "copyDone"
  | "flush"
  | "sync"
  | "terminate"
  | "sslRequest"
  | "gssencRequest";

export const constantFrames: Readonly<Record<ConstantFrame, Uint8Array>> = {
  // backend
  authenticationOk: frame("R", 0, 0, 0, 0),
  authenticationCleartextPassword: frame("R", 0, 0, 0, 3),
  bindComplete: frame("2"),
  closeComplete: frame("3"),
  emptyQueryResponse: frame("I"),
  noData: frame("n"),
  parseComplete: frame("1"),
  portalSuspended: frame("s"),
  readyForQueryIdle: frame("Z", 0x49),
  readyForQueryInTransaction: frame("Z", 0x54),
  readyForQueryFailed: frame("Z", 0x45),
  // both
  copyDone: frame("c"),
  // frontend
  flush: frame("H"),
  sync: frame("S"),
  terminate: frame("X"),
  sslRequest: Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f),
  gssencRequest: Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30),
};
