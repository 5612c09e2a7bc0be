/** What a client sees of a case, over one server. */
import { ContractClient } from "./client.ts";
import type { Case } from "./contract.ts";
import type { ContractServer } from "./server.ts";

export async function observe(server: ContractServer, { run }: Case): Promise<readonly string[]> {
  const client = await ContractClient.open(server);
  try {
    await run(client);
    return client.lines;
  } catch (error) {
    return [...client.lines, `thrown ${error instanceof Error ? error.message : String(error)}`];
  } finally {
    client.close();
    await server.closed();
  }
}
