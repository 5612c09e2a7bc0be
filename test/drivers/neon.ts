/** Where Neon's serverless driver, and what builds on it, finds the gateway under test. */
import { neonConfig } from "@neondatabase/serverless";

/** Who may connect to a gateway for these drivers: they all send a password. */
export const appUser = { name: "app", password: "Pencil 42" } as const;

const login = `${appUser.name}:${encodeURIComponent(appUser.password)}`;

/** What the drivers are told. The host is nobody's: it is replaced by the gateway's, as one does for a gateway of one's own. */
export const connectionString: string = `postgres://${login}@database.example/postgres`;

export const wrongPassword: string = connectionString.replace(login, `${appUser.name}:wrong`);

/** `http`: where the gateway's HTTP side is, without a slash at the end. The driver has one configuration for a process. */
export function pointDriversTo(http: string): void {
  neonConfig.fetchEndpoint = `${http}/sql`;
  neonConfig.wsProxy = () => `${new URL(http).host}/v2`;
  neonConfig.useSecureWebSocket = false;
}
