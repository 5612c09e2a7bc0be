// The URL of a database as it may be shown: who reads a terminal or a log need not be who knows its password.

/** The URL without its password, token or key. */
export function withoutPassword(url: string): string {
  return (
    url
      // The token of Supabase stands in the user's place.
      .replace(/^(supabase[a-z+]*:\/\/)[^@/]*@/i, "$1…@")
      .replace(/^([a-z][a-z0-9+.-]*:\/\/[^:@/]*):[^@]*@/i, "$1:…@")
      .replace(/([?&](?:password|sslpassword|api_key|token)=)[^&]*/gi, "$1…")
  );
}
