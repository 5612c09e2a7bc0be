// CancelRequests between invocations of one isolate. A session's I/O is its own invocation's, and a CancelRequest is another
// one: it may only settle a promise, for what awaits that goes on in the session's invocation.
import type { CancelRegistry, CancelTarget } from "../../src/session/mod.ts";

/** The registry, with each session asked to stop in its own invocation. */
export function acrossInvocations(registry: CancelRegistry): CancelRegistry {
  return {
    register: (target, ...key) => registry.register(atHome(target), ...key),
    cancel: (processId, secretKey) => registry.cancel(processId, secretKey),
  };
}

/** Made in the session's invocation, called in any. */
function atHome(target: CancelTarget): CancelTarget {
  let asked: () => void;
  function listen(): void {
    new Promise<void>((resolve) => {
      asked = resolve;
    }).then(() => {
      listen();
      target.cancel();
    });
  }
  listen();
  return { cancel: () => asked() };
}
