/// <reference types="@cloudflare/workers-types" />

/**
 * Where the types of Cloudflare Workers say less than what is true of Workers, Node and Deno alike (src/globals.d.ts), and
 * src/ relies on it.
 */

interface TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare function clearTimeout(timer: number | undefined): void;
