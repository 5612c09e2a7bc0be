// Base64 as SCRAM messages and stored verifiers write it: the standard alphabet, padded, no line breaks (RFC 4648
// section 4). atob() alone is too forgiving: it skips white space and accepts missing padding.

const padded = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The bytes, or undefined when the text is not padded base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!padded.test(text)) return undefined;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
