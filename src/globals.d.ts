/**
 * The whole outside world of src/: the web-standard globals it may use, each one the same in Node >= 22.12, Deno 2 and
 * Cloudflare Workers. tsconfig.core.json checks src/ with these and no runtime's own types, so a name missing here is a
 * name some runtime lacks, or one that nobody has needed yet: add it after checking all three.
 *
 * Not part of the other tsconfigs: there the types of Node declare the same names.
 */

// --- Encoding Standard ---

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: "utf-8", options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare function atob(data: string): string;
declare function btoa(data: string): string;

// --- Web Cryptography ---

interface CryptoKey {
  readonly type: "public" | "private" | "secret";
  readonly extractable: boolean;
}

type BufferSource = ArrayBuffer | ArrayBufferView<ArrayBuffer>;
type HashAlgorithm = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

interface SubtleCrypto {
  digest(algorithm: HashAlgorithm, data: BufferSource): Promise<ArrayBuffer>;
  importKey(
    format: "raw",
    keyData: BufferSource,
    algorithm: "PBKDF2" | { name: "HMAC"; hash: HashAlgorithm },
    extractable: boolean,
    usages: ("sign" | "verify" | "deriveBits")[],
  ): Promise<CryptoKey>;
  sign(algorithm: "HMAC", key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  deriveBits(
    algorithm: { name: "PBKDF2"; hash: HashAlgorithm; salt: BufferSource; iterations: number },
    key: CryptoKey,
    length: number,
  ): Promise<ArrayBuffer>;
}

interface Crypto {
  readonly subtle: SubtleCrypto;
  getRandomValues<Bytes extends ArrayBufferView<ArrayBuffer>>(array: Bytes): Bytes;
}

declare const crypto: Crypto;

// --- DOM: aborting ---

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(
    type: "abort",
    listener: () => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

// --- HTML: timers ---

/** A number in some runtimes and an object in others: only good for giving back to clearTimeout. */
interface Timer {
  readonly "a number or an object": never;
}

declare function setTimeout(callback: () => void, milliseconds?: number): Timer;
declare function clearTimeout(timer: Timer | undefined): void;
declare function queueMicrotask(callback: () => void): void;

// --- Fetch ---

interface Headers {
  get(name: string): string | null;
}

interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: ReadableStream | null;
  /** Aborted when the client has hung up. */
  readonly signal: AbortSignal;
}

interface ReadableStream {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>;
    cancel(): Promise<void>;
  };
}

declare class Response {
  constructor(
    body?: string | Uint8Array | null,
    init?: { status?: number; headers?: Record<string, string> },
  );
  readonly status: number;
  readonly headers: Headers;
  text(): Promise<string>;
}

declare function fetch(
  url: string,
  init?: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal },
): Promise<Response>;

// --- WebSockets ---

declare class WebSocket {
  /** Node and Deno take an object with headers, too. */
  constructor(url: string, protocols?: string[] | { headers?: object; protocols?: string[] });
  binaryType: "blob" | "arraybuffer";
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: (event: object) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { code: number; reason: string; wasClean: boolean }) => void,
  ): void;
}

// --- URL ---

interface URLSearchParams extends Iterable<[string, string]> {
  get(name: string): string | null;
  has(name: string): boolean;
}

declare class URL {
  constructor(url: string, base?: string);
  readonly hash: string;
  readonly host: string;
  readonly hostname: string;
  readonly href: string;
  readonly password: string;
  readonly pathname: string;
  readonly port: string;
  readonly protocol: string;
  readonly searchParams: URLSearchParams;
  readonly username: string;
}
