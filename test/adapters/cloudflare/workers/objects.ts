// The Worker under test, with a window on its objects: a request to /test/objects does not wake any.
import { SessionObject } from "../../../../adapters/cloudflare/session-object.ts";
import worker from "../../../../adapters/cloudflare/worker.ts";

export { BrokerObject } from "../../../../adapters/cloudflare/broker-object.ts";

/** An instance of a SessionObject: an object that is evicted gets another one. */
interface Instance {
  readonly id: string;
  readonly instance: string;
  readonly awake: () => boolean;
}

/** All that this isolate has made. */
const instances: Instance[] = [];

class ObservedSession extends SessionObject {
  constructor(...given: ConstructorParameters<typeof SessionObject>) {
    super(...given);
    const [{ id }] = given;
    instances.push({ id: id.toString(), instance: crypto.randomUUID(), awake: () => this.awake });
  }
}

export { ObservedSession as SessionObject };

const observed: typeof worker = {
  ...worker,
  fetch(request, env, context) {
    if (new URL(request.url).pathname !== "/test/objects") {
      return worker.fetch?.(request, env, context) ?? new Response(null, { status: 404 });
    }
    return Response.json(instances.map(({ awake, ...instance }) => ({ ...instance, awake: awake() })));
  },
};

export default observed;
