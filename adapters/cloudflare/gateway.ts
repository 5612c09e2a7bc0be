// The gateway of an isolate, made of the Worker's variables. It does no I/O of its own, so all invocations share it; each
// session's connections are its invocation's.
import { type AuthSource, parseVerifier } from "../../src/auth/mod.ts";
import {
  ConfigError,
  createGateway,
  type Gateway,
  type GatewayVariables,
  readVariables,
} from "../../src/gateway/mod.ts";
import { memoryCancelRegistry, type SessionOptions } from "../../src/session/mod.ts";
import { fatal, sqlstate } from "../../src/wire/mod.ts";
import { invocationCancels, invocationNotifications } from "./broker.ts";
import { acrossInvocations } from "./cancels.ts";
import { openers } from "./databases.ts";
import type { Env } from "./env.ts";
import { lastingClose } from "./lasting-close.ts";

/** What Cloudflare lets PBKDF2 do; workerd by itself has no limit. */
const mostIterations = 100_000;

export interface WorkerGateway {
  readonly gateway: Gateway;
  readonly variables: GatewayVariables;
}

const made = new WeakMap<Env, WorkerGateway>();

/** The gateway that the variables describe. One that they describe wrongly refuses every client, and says why. */
export function gatewayOf(env: Env): WorkerGateway {
  let gateway = made.get(env);
  if (!gateway) {
    gateway = configured(env);
    made.set(env, gateway);
  }
  return gateway;
}

/** For the sessions over TCP. */
export function tcpSessions(env: Env): SessionOptions {
  const { gateway, variables } = gatewayOf(env);
  return gateway.sessionsOver("tcp", { limits: variables.limits });
}

function configured(env: Env): WorkerGateway {
  try {
    const variables = readVariables(env);
    check(variables);
    const gateway = createGateway(variables, openers(env));
    if (env.EDGEWIRE_BROKER) {
      const own = { cancels: invocationCancels(env), notifications: invocationNotifications(env) };
      return { variables, gateway: withSessions(gateway, own) };
    }
    const cancels = acrossInvocations(gateway.session.cancels ?? memoryCancelRegistry());
    return { variables, gateway: withSessions(gateway, { cancels }) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`edgewire: ${error.message}`);
    return misconfigured(error);
  }
}

/** What a Worker, which the whole Internet reaches, must be told before it lets anybody in. */
function check({ databases, users, auth }: GatewayVariables): void {
  if (databases.size === 0) {
    throw new ConfigError("no database is configured: set EDGEWIRE_DATABASES, for example app=postgres://…");
  }
  if (auth === "cert")
    throw new ConfigError("Workers see no client certificates: EDGEWIRE_AUTH cannot be cert");
  if (users.size === 0 && auth !== "trust") {
    throw new ConfigError(
      "no user is configured: set the secret EDGEWIRE_USERS, or EDGEWIRE_AUTH=trust to let everybody in",
    );
  }
  for (const [user, text] of users) {
    const verifier = parseVerifier(text);
    if (verifier.type !== "scram-sha-256" || verifier.iterations <= mostIterations) continue;
    console.warn(
      `edgewire: the verifier of user "${user}" has ${verifier.iterations} iterations, and Workers derive keys with up to ` +
        `${mostIterations}: the user can log in by SCRAM, but not where a password is sent (/sql, the driver of Neon)`,
    );
  }
}

function misconfigured(error: ConfigError): WorkerGateway {
  const auth: AuthSource = {
    find() {
      // The text may quote what is secret.
      throw fatal(sqlstate.configFileError, "the gateway is not configured", {
        hint: "Its log says what is missing or wrong.",
      });
    },
  };
  const gateway = createGateway({ databases: new Map(), users: new Map() }, {});
  return {
    variables: readVariables({}),
    gateway: {
      ...withSessions(gateway, { auth }),
      trusts: false,
      open: () => Promise.reject(error),
      ready: async () => [{ database: "*", error: new Error("the gateway is not configured") }],
    },
  };
}

function withSessions(gateway: Gateway, own: Partial<SessionOptions>): Gateway {
  return {
    ...gateway,
    session: { ...gateway.session, ...own },
    sessionsOver(transport, hooks) {
      const session = gateway.sessionsOver(transport, hooks);
      if (transport !== "http") return { ...session, ...own };
      return {
        ...session,
        ...own,
        // The client of a request to /sql never sees its session's cancel key: nobody elsewhere has to know of it.
        cancels: session.cancels,
        async upstream(login) {
          const upstream = await session.upstream(login);
          return upstream && lastingClose(upstream);
        },
      };
    },
  };
}
