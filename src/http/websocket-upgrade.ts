/** Who may upgrade to a WebSocket: the request's form, and the policy on origins (RFC 6455, 4.2 and 10.2). */
import { mayPass } from "./origins.ts";

export interface UpgradePolicy {
  /**
   * The origins whose pages may connect, such as `https://app.example.com`. Default: all. Only browsers tell an origin;
   * requests without one come from tools and always pass.
   */
  readonly origins?: readonly string[] | undefined;
}

/** Why an upgrade is refused: an answer's parts, for those who have no Response to give. */
export interface UpgradeRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
}

/** Whether a request asks for a WebSocket at all. */
export function asksForWebSocket(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/** The answer to a request that must not be upgraded; undefined: it may. */
export function refuseUpgrade(request: Request, policy: UpgradePolicy = {}): Response | undefined {
  const refusal = upgradeRefusal(request.method, (name) => request.headers.get(name), policy);
  if (!refusal) return undefined;
  const { status, headers, message } = refusal;
  return new Response(`${message}\n`, { status, headers: { ...headers, "content-type": "text/plain" } });
}

/** The same for any form of a request. `header` takes names in lower case. */
export function upgradeRefusal(
  method: string,
  header: (name: string) => string | null | undefined,
  { origins }: UpgradePolicy,
): UpgradeRefusal | undefined {
  if (method !== "GET") {
    return { status: 405, headers: { allow: "GET" }, message: "a WebSocket is opened by GET" };
  }
  if (header("upgrade")?.toLowerCase() !== "websocket") {
    return { status: 426, headers: { upgrade: "websocket" }, message: "this is a WebSocket endpoint" };
  }
  // Where the platform has taken the handshake over it may have taken the header, too.
  if ((header("sec-websocket-version") ?? "13") !== "13") {
    return {
      status: 426,
      headers: { upgrade: "websocket", "sec-websocket-version": "13" },
      message: "this is a WebSocket endpoint of version 13",
    };
  }
  const origin = header("origin");
  if (!mayPass(origins, origin)) {
    return { status: 403, headers: {}, message: `the origin ${origin} may not connect` };
  }
  return undefined;
}
