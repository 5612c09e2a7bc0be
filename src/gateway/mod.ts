/** The gateway's configuration and routing, for any runtime. */
export { ConfigError, collect, type GatewayConfig, parseDatabase, parseUser } from "./config.ts";
export { createGateway, type Gateway, type Openers, type OpenUpstream } from "./gateway.ts";
