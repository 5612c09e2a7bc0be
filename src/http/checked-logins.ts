/**
 * Authentication of sessions that this process opens itself. HTTP brings the password with each request, so that a
 * SCRAM exchange would prove nothing, and derive the same keys twice: the rule of the login is kept, and the password is
 * checked against its verifier at once. A password that was right is remembered for a while, as a salted hash: deriving
 * its keys costs a millisecond and more, which is meant for guesses, and not for each statement.
 */

import { mockIterations, mockSalt } from "../auth/mock.ts";
import type { AuthRule, AuthSource, Login, Verifier } from "../auth/mod.ts";
import { deriveScram } from "../auth/verifier.ts";

/** Milliseconds that a password stays known to be right. */
const memory = 60_000;

/** Passwords that are remembered at a time. */
const maxRemembered = 1_000;

interface Remembered {
  /** The one it was right for: a source that changes a password gives another object. */
  readonly verifier: Verifier;
  readonly until: number;
}

const encoder = new TextEncoder();

/** One for each source of users. */
export class CheckedLogins {
  readonly #source: AuthSource;
  readonly #remembered: Map<string, Remembered> = new Map();
  #salt: Uint8Array | undefined;

  constructor(source: AuthSource) {
    this.#source = source;
  }

  /** Authenticates one login with a password. `succeeded` is called when it has got its session. */
  login(password: string | undefined): AuthSource & { succeeded(): Promise<void> } {
    const source = this.#source;
    let checked: { user: string; verifier: Verifier } | undefined;
    return {
      ...(source.mock && { mock: source.mock }),
      find: async (login) => {
        const rule = await source.find(login);
        const method = rule?.method ?? "scram-sha-256";
        // Without a password the exchange fails as it does for everyone who has none.
        if (method === "trust" || method === "cert" || rule?.check || !password) return rule;
        if (!rule?.verifier) return nobody(source, login);
        const { verifier } = rule;
        // SCRAM knows nothing of such a verifier: its exchange is what fails as it should.
        if (method === "scram-sha-256" && verifier.type === "md5") return rule;
        if (await this.#knows(login.user, password, verifier)) return { method: "trust" };
        checked = { user: login.user, verifier };
        return { method: "password", verifier };
      },
      succeeded: async () => {
        if (checked && password) await this.#remember(checked.user, password, checked.verifier);
      },
    };
  }

  async #knows(user: string, password: string, verifier: Verifier): Promise<boolean> {
    const found = this.#remembered.get(await this.#hash(user, password));
    return found?.verifier === verifier && found.until > Date.now();
  }

  async #remember(user: string, password: string, verifier: Verifier): Promise<void> {
    const key = await this.#hash(user, password);
    this.#remembered.delete(key);
    this.#remembered.set(key, { verifier, until: Date.now() + memory });
    if (this.#remembered.size <= maxRemembered) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  async #hash(user: string, password: string): Promise<string> {
    // Not when the module loads: Cloudflare Workers have no random numbers outside of a request.
    this.#salt ??= crypto.getRandomValues(new Uint8Array(32));
    const login = encoder.encode(JSON.stringify([user, password]));
    const salted = new Uint8Array(this.#salt.length + login.length);
    salted.set(this.#salt);
    salted.set(login, this.#salt.length);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", salted));
    return String.fromCharCode(...digest);
  }
}

/** The rule of a user who does not exist: the time that it takes must not tell. */
async function nobody({ mock }: AuthSource, { user }: Login): Promise<AuthRule> {
  const salt = await mockSalt(user, mock);
  return {
    method: "password",
    async check(password) {
      await deriveScram(password, salt, mockIterations(mock));
      return false;
    },
  };
}
