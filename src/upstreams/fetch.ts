/** How requests are sent: by the runtime's `fetch`, or by a caller's. */

/** What is used of the standard's `fetch`. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

export interface FetchInit {
  readonly method: "POST";
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly signal: AbortSignal;
}

export interface FetchResponse {
  readonly status: number;
  text(): Promise<string>;
}
