// The messages a client sends once the startup packet is through (PostgreSQL documentation, "Message Formats",
// those marked F). Names and fields are the documentation's.

export { frontendCodes } from "./codes.ts";
export { decodeFrontend } from "./frontend-decode.ts";
export { encodeFrontend } from "./frontend-encode.ts";

export interface Bind {
  type: "Bind";
  portal: string;
  statement: string;
  /** 0 text, 1 binary: none (all text), one for all, or one for each parameter. */
  parameterFormats: number[];
  parameters: (Uint8Array | null)[];
  resultFormats: number[];
}

export interface FunctionCall {
  type: "FunctionCall";
  functionOid: number;
  argumentFormats: number[];
  arguments: (Uint8Array | null)[];
  resultFormat: number;
}

/** Decoded byte fields are views of the message's body. */
export type FrontendMessage =
  | Bind
  | FunctionCall
  | { type: "Query"; query: string }
  | {
      type: "Parse";
      statement: string;
      query: string /** OIDs, 0 leaves the type open. */;
      parameterTypes: number[];
    }
  | { type: "Describe" /** Statement or portal. */; kind: "S" | "P"; name: string }
  | { type: "Close"; kind: "S" | "P"; name: string }
  | { type: "Execute"; portal: string /** 0 and less: no limit. */; maxRows: number }
  | { type: "Flush" }
  | { type: "Sync" }
  | { type: "Terminate" }
  | { type: "CopyData"; data: Uint8Array }
  | { type: "CopyDone" }
  | { type: "CopyFail"; message: string }
  | { type: "PasswordMessage"; password: string }
  | {
      type: "SASLInitialResponse";
      mechanism: string /** null: no initial response, which is not an empty one. */;
      data: Uint8Array | null;
    }
  | { type: "SASLResponse"; data: Uint8Array }
  | { type: "GSSResponse"; data: Uint8Array };

/** Which of the messages with code `p` the authentication exchange waits for: the code alone does not tell. */
export type PasswordKind = "PasswordMessage" | "SASLInitialResponse" | "SASLResponse" | "GSSResponse";

/** What encodeFrontend takes: parameters and arguments may be strings too. */
export type FrontendInput =
  | Exclude<FrontendMessage, Bind | FunctionCall>
  | (Omit<Bind, "parameters"> & { parameters: readonly (string | Uint8Array | null)[] })
  | (Omit<FunctionCall, "arguments"> & { arguments: readonly (string | Uint8Array | null)[] });
