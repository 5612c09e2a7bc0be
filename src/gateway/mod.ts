/** The gateway's configuration, routing and metrics, for any runtime. */
export { ConfigError, collect, type GatewayConfig, parseDatabase, parseUser, trusts } from "./config.ts";
export {
  createGateway,
  type Gateway,
  type Openers,
  type OpenUpstream,
  type Readiness,
  type SessionHooks,
  type SessionSource,
} from "./gateway.ts";
export { GatewayMetrics, type HttpRoute, type TransportName } from "./metrics.ts";
export {
  type HttpSettings,
  parseNumber,
  parseSettings,
  type SettingName,
  type Settings,
  settingNames,
} from "./settings.ts";
export {
  databaseVariable,
  type GatewayVariables,
  readVariable,
  readVariables,
  userVariable,
  type Variables,
} from "./variables.ts";
