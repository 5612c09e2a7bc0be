// What the tests ask of the program that runs on Deno (programs/server.ts), and what it answers.
import type { TlsFiles } from "../../../adapters/node/tls.ts";
import type { Counts } from "../node/counting-upstream.ts";

export interface StartOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly mode?: number;
  readonly maxConnections?: number;
  readonly lostClientGrace?: number;
  readonly tls?: TlsFiles;
  /** Passwords by user; without any everyone is trusted. */
  readonly users?: Record<string, string>;
  /** Clients get in by their certificate. */
  readonly cert?: boolean;
  readonly limits?: { authenticationTimeout?: number };
}

export interface Started {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
}

/** What is known of a client that is logged in. */
export interface ClientLogin {
  readonly address: string | undefined;
  readonly protocol: string | undefined;
  readonly alpn: string | undefined;
  readonly serverName: string | undefined;
  /** The DER in base64. */
  readonly serverCertificate: string | undefined;
  readonly commonName: string | undefined;
}

/** Arguments and result of each method. */
export interface Answers {
  start: [[StartOptions], Started];
  startHttp: [[Pick<StartOptions, "tls" | "maxConnections">], Started];
  close: [[id: number, grace?: number], void];
  size: [[id: number], number];
  counts: [[id: number], Counts];
  errors: [[id: number], readonly string[]];
  logins: [[id: number], ClientLogin[]];
  /** Notifies every client of so many payloads of so many characters. */
  notify: [[id: number, size: number, times: number], void];
  reload: [[id: number], void];
  /** Runs a statement on the server of a URL. */
  query: [[url: string, sql: string], { rows: readonly unknown[]; protocol: string | undefined }];
  /** Reads so many lines of COPY slowly, and tells by how much the memory outside of the heap grew meanwhile. */
  readSlowly: [[url: string, lines: number], { lines: number; external: number }];
  /** After a collection. */
  memory: [[], { rss: number; heapUsed: number; external: number }];
  /** Rejections that nobody handled. */
  stray: [[], readonly string[]];
}

export interface Called {
  readonly call: number;
  readonly method: keyof Answers;
  readonly args: unknown[];
}
