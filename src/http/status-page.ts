/** The page at `/`: that this is a gateway, what it serves, and how to reach it. No scripts, no URLs, no secrets. */
import type { Gateway } from "../gateway/mod.ts";

export function statusPage({ databases }: Gateway): string {
  const items = databases.map((name) =>
    name === "*" ? "<li>every other name</li>" : `<li><code>${escapeHtml(name)}</code></li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>edgewire</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em; color-scheme: light dark; }
  code { font-size: 0.95em; }
</style>
<h1>edgewire</h1>
<p>A gateway of the PostgreSQL protocol is running here.</p>
<h2>Databases</h2>
<ul>
${items.join("\n")}
</ul>
<h2>Ways in</h2>
<ul>
<li><code>POST /sql</code>: SQL over HTTP, for Neon's serverless driver and what builds on it</li>
<li>WebSocket, at any path: sessions of the PostgreSQL protocol in binary frames</li>
<li><a href="/health">/health</a>, <a href="/ready">/ready</a>, <a href="/metrics">/metrics</a></li>
</ul>
</html>
`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
