/** URLs of AWS's RDS Data API: `rds-data://region/cluster-arn?secret=secret-arn&database=name`, ARNs URL-encoded or not. */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

export interface ParsedRdsDataUrl {
  readonly region: string;
  /** Without a slash at its end. `?endpoint=` gives another one than the region's. */
  readonly endpoint: string;
  readonly resourceArn: string;
  readonly secretArn: string;
  /** Undefined: the default that the cluster's secret or the API chooses. */
  readonly database: string | undefined;
}

/** @throws PgError 22023 that says what is wrong */
export function parseRdsDataUrl(text: string): ParsedRdsDataUrl {
  const match = /^rds-data:\/\/([^/?]*)\/([^?]*)(?:\?(.*))?$/i.exec(text);
  if (!match)
    throw invalid("a URL of the RDS Data API is rds-data://region/cluster-arn?secret=arn&database=name");
  const [, region = "", resource = "", query = ""] = match;
  if (!/^[a-z0-9-]+$/.test(region)) throw invalid(`the URL names no region such as eu-west-1: "${region}"`);
  const resourceArn = decoded(resource);
  if (!/^arn:[^:]+:rds:/.test(resourceArn)) {
    throw invalid(`the path of the URL is the cluster's ARN (arn:aws:rds:…), not "${resourceArn}"`);
  }
  const parameters = new Map<string, string>();
  for (const part of query.split("&").filter((part) => part !== "")) {
    const [name = "", ...value] = part.split("=");
    if (!known.has(name))
      throw invalid(`unknown parameter "${name}": secret, database and endpoint are known`);
    parameters.set(name, decoded(value.join("=")));
  }
  const secretArn = parameters.get("secret") ?? "";
  if (secretArn === "") throw invalid("the URL names no secret: ?secret=arn:aws:secretsmanager:…");
  const endpoint = parameters.get("endpoint") ?? `https://rds-data.${region}.${domainOf(region)}`;
  if (!/^https?:\/\/[^/]/i.test(endpoint))
    throw invalid(`endpoint is a URL such as https://host, not "${endpoint}"`);
  return {
    region,
    endpoint: endpoint.replace(/\/+$/, ""),
    resourceArn,
    secretArn,
    database: parameters.get("database") || undefined,
  };
}

const known: ReadonlySet<string> = new Set(["secret", "database", "endpoint"]);

function domainOf(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`"${text}" is not URL-encoded`);
  }
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}
