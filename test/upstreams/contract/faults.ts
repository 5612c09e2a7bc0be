/** What may be wrong with a service over HTTP, made by a fetch that stands before it. */
import type { FaultOf, Started } from "./contract.ts";

export type FaultName = "down" | "lost" | "status 500" | "broken JSON" | "slow";

export class FaultyFetch {
  fault: FaultName | undefined;

  /** `signal` is that of the request. */
  async instead(request: () => Promise<Response>, signal: AbortSignal | null | undefined): Promise<Response> {
    switch (this.fault) {
      case undefined:
        return request();
      case "down":
        throw failed("ECONNREFUSED");
      case "lost":
        throw failed("ECONNRESET");
      case "status 500":
        return new Response("<h1>Internal Server Error</h1>", { status: 500 });
      case "broken JSON":
        return new Response('{"rows": [', { status: 200 });
      case "slow":
        return new Promise((_, reject) => {
          const abort = (): void => reject(signal?.reason);
          if (signal?.aborted) abort();
          signal?.addEventListener("abort", abort);
        });
    }
  }
}

/** As undici has it. */
function failed(code: string): TypeError {
  const cause = Object.assign(new Error(`connect ${code} 127.0.0.1:80`), { code });
  return new TypeError("fetch failed", { cause });
}

export interface Faulty extends Started {
  readonly faulty: FaultyFetch;
}

export function httpFault(name: FaultName, code: string): FaultOf<Faulty> {
  return {
    name,
    code,
    ...(name === "slow" && { cancelled: true }),
    cause({ faulty }) {
      faulty.fault = name;
      return () => {
        faulty.fault = undefined;
      };
    },
  };
}

/** The same for every API over HTTP. */
export const httpFaults: readonly FaultOf<Faulty>[] = [
  httpFault("down", "08001"),
  httpFault("lost", "08006"),
  httpFault("status 500", "58000"),
  httpFault("broken JSON", "58000"),
  httpFault("slow", "57014"),
];
