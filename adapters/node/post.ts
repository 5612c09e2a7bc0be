// How upstreams' requests are sent, in terms that every runtime has.

export interface PostResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What upstreams use of the standard's `fetch`, which is one. */
export type Post = (
  url: string,
  init: {
    readonly method: "POST";
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly signal: AbortSignal;
  },
) => Promise<PostResponse>;
