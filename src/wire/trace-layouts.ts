// What the fields of each message look like in a trace (see trace.ts).

import type { PasswordKind } from "./frontend.ts";

/**
 * A layout has one letter for each field:
 * s string, b byte, h int16 (unsigned, as libpq prints it), i int32, o int32 that regress mode blanks,
 * v int32 length and value, d all the bytes left (blanked in regress mode), x a secret string, X all the bytes left,
 * secret, m strings up to an empty one, p the same without that one, E error fields. [..] repeats for an int16 count,
 * {..} for an int32 one.
 */
export type Layout = readonly [name: string, fields: string];

export const frontendLayouts: Readonly<Record<string, Layout>> = {
  B: ["Bind", "ss[h][v][h]"],
  C: ["Close", "bs"],
  D: ["Describe", "bs"],
  E: ["Execute", "si"],
  F: ["FunctionCall", "o[h][v]h"],
  H: ["Flush", ""],
  P: ["Parse", "ss[o]"],
  Q: ["Query", "s"],
  S: ["Sync", ""],
  X: ["Terminate", ""],
  c: ["CopyDone", ""],
  d: ["CopyData", "d"],
  f: ["CopyFail", "s"],
};

export const passwordLayouts: Readonly<Record<PasswordKind, Layout>> = {
  PasswordMessage: ["PasswordMessage", "x"],
  SASLInitialResponse: ["SASLInitialResponse", "siX"],
  SASLResponse: ["SASLResponse", "X"],
  GSSResponse: ["GSSResponse", "X"],
};

export const backendLayouts: Readonly<Record<string, Layout>> = {
  "1": ["ParseComplete", ""],
  "2": ["BindComplete", ""],
  "3": ["CloseComplete", ""],
  A: ["NotificationResponse", "oss"],
  C: ["CommandComplete", "s"],
  D: ["DataRow", "[v]"],
  E: ["ErrorResponse", "E"],
  G: ["CopyInResponse", "b[h]"],
  H: ["CopyOutResponse", "b[h]"],
  I: ["EmptyQueryResponse", ""],
  K: ["BackendKeyData", "od"],
  N: ["NoticeResponse", "E"],
  S: ["ParameterStatus", "ss"],
  T: ["RowDescription", "[sohohih]"],
  V: ["FunctionCallResponse", "v"],
  W: ["CopyBothResponse", "b[h]"],
  Z: ["ReadyForQuery", "b"],
  c: ["CopyDone", ""],
  d: ["CopyData", "d"],
  n: ["NoData", ""],
  s: ["PortalSuspended", ""],
  t: ["ParameterDescription", "[o]"],
  v: ["NegotiateProtocolVersion", "i{s}"],
};

export const authenticationLayouts: Readonly<Record<number, Layout>> = {
  0: ["AuthenticationOk", ""],
  2: ["AuthenticationKerberosV5", ""],
  3: ["AuthenticationCleartextPassword", ""],
  5: ["AuthenticationMD5Password", ""],
  6: ["AuthenticationSCMCredential", ""],
  7: ["AuthenticationGSS", ""],
  8: ["AuthenticationGSSContinue", "X"],
  9: ["AuthenticationSSPI", ""],
  10: ["AuthenticationSASL", "m"],
  11: ["AuthenticationSASLContinue", "X"],
  12: ["AuthenticationSASLFinal", "X"],
};

/** The startup family by its "version"; anything else is a StartupMessage. */
export const startupLayouts: Readonly<Record<number, Layout>> = {
  80877102: ["CancelRequest", "hhod"],
  80877103: ["SSLRequest", "hh"],
  80877104: ["GSSENCRequest", "hh"],
};
