// TypeScript SDK 1.x with sessions: a transport and a server for each, in the memory of this isolate.

import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { createServer } from "../tools/sdk1.js";

const sessions = new Map();

export default {
  async fetch(request) {
    const id = request.headers.get("mcp-session-id");
    if (id === null) return (await open()).handleRequest(request);
    const transport = sessions.get(id);
    if (transport) return transport.handleRequest(request);
    const error = { code: -32001, message: "Session not found" };
    return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
  },
};

async function open() {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await createServer("sdk1-sessions").connect(transport);
  return transport;
}
