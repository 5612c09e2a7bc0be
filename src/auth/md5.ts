// MD5 (RFC 1321), for PostgreSQL's md5 passwords. WebCrypto leaves it out on purpose; the wire protocol needs it as
// long as servers and password files keep md5 hashes.

/** Left rotations, four for each of the four rounds. */
const rotations = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

/** RFC 1321 section 3.4 defines its table by this formula: the integer part of 2^32 times |sin(i)|, i from 1. */
const sines = Int32Array.from({ length: 64 }, (_, index) =>
  Math.floor(2 ** 32 * Math.abs(Math.sin(index + 1))),
);

/** The message with a one bit, zeros, and its length in bits appended: a whole number of 64-byte blocks. */
function pad(message: Uint8Array): DataView {
  const blocks = ((message.length + 8) >> 6) + 1;
  const padded = new Uint8Array(blocks * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, message.length << 3, true);
  view.setUint32(padded.length - 4, message.length >>> 29, true);
  return view;
}

/** The mixing function of step i and the block word it takes. */
function round(step: number, b: number, c: number, d: number): [mixed: number, word: number] {
  if (step < 16) return [(b & c) | (~b & d), step];
  if (step < 32) return [(b & d) | (c & ~d), (5 * step + 1) & 15];
  if (step < 48) return [b ^ c ^ d, (3 * step + 5) & 15];
  return [c ^ (b | ~d), (7 * step) & 15];
}

/** The 16-byte MD5 digest of a message. */
export function md5(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = pad(message);
  let a0 = 0x67452301;
  let b0 = 0xefcdab89 | 0;
  let c0 = 0x98badcfe | 0;
  let d0 = 0x10325476;

  for (let block = 0; block < view.byteLength; block += 64) {
    let [a, b, c, d] = [a0, b0, c0, d0];
    for (let step = 0; step < 64; step++) {
      const [mixed, word] = round(step, b, c, d);
      const sum = (a + mixed + (sines[step] as number) + view.getInt32(block + word * 4, true)) | 0;
      const by = rotations[(step >> 4) * 4 + (step & 3)] as number;
      [a, d, c, b] = [d, c, b, (b + ((sum << by) | (sum >>> (32 - by)))) | 0];
    }
    a0 = (a0 + a) | 0;
    b0 = (b0 + b) | 0;
    c0 = (c0 + c) | 0;
    d0 = (d0 + d) | 0;
  }

  const digest = new Uint8Array(16);
  const words = new DataView(digest.buffer);
  for (const [index, word] of [a0, b0, c0, d0].entries()) words.setInt32(index * 4, word, true);
  return digest;
}

/** The digest as PostgreSQL writes it: 32 lowercase hexadecimal digits. */
export function md5Hex(message: Uint8Array): string {
  return Array.from(md5(message), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What PostgreSQL stores of an md5 password, without its "md5" prefix: the MD5 of the password, then the user name. */
export function md5PasswordHash(user: string, password: string | Uint8Array): string {
  const encoder = new TextEncoder();
  return md5Hex(
    concat(typeof password === "string" ? encoder.encode(password) : password, encoder.encode(user)),
  );
}

/**
 * The answer to AuthenticationMD5Password: "md5", then the MD5 of the stored hash (as hexadecimal text) and the salt.
 *
 * @param hash 32 hexadecimal digits, as md5PasswordHash() gives
 * @param salt the 4 bytes of the request
 */
export function md5Response(hash: string, salt: Uint8Array): string {
  return `md5${md5Hex(concat(new TextEncoder().encode(hash), salt))}`;
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
