// Hono's MCP middleware on the TypeScript SDK 1.x, with sessions.

import { StreamableHTTPTransport } from "@hono/mcp";
import { Hono } from "hono";
import { createServer } from "../tools/sdk1.js";

const sessions = new Map();
const app = new Hono();

app.all("/mcp", async (context) => {
  const id = context.req.header("mcp-session-id");
  if (id === undefined) return (await open()).handleRequest(context);
  const transport = sessions.get(id);
  if (transport) return transport.handleRequest(context);
  const error = { code: -32001, message: "Session not found" };
  return context.json({ jsonrpc: "2.0", id: null, error }, 404);
});

async function open() {
  const transport = new StreamableHTTPTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await createServer("hono").connect(transport);
  return transport;
}

export default app;
