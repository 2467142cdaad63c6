// The Worker: one transport and one server per session, both held in the memory of this isolate.

import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { createServer, type Env } from "./server.js";

/** When more sessions than this are open, the one unused for longest is closed. */
const MAX_SESSIONS = 500;

/** Sessions by id, the one used last at the end (a Map keeps the order of insertion). */
const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname !== "/mcp") return new Response("Not found", { status: 404 });

    const id = request.headers.get("mcp-session-id");
    if (id === null) return (await openSession(env)).handleRequest(request);

    const transport = sessions.get(id);
    // 404 tells the client to start a new session: this one has ended, or the isolate was restarted.
    if (!transport) return sessionNotFound();
    sessions.delete(id);
    sessions.set(id, transport);
    return transport.handleRequest(request);
  },
};

/** A transport for a session that becomes real when the client's `initialize` reaches it. */
async function openSession(env: Env): Promise<WebStandardStreamableHTTPServerTransport> {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id) => {
      sessions.set(id, transport);
      const [oldest] = sessions.keys();
      if (sessions.size > MAX_SESSIONS && oldest !== undefined) void sessions.get(oldest)?.close();
    },
  });
  transport.onclose = () => {
    if (transport.sessionId) sessions.delete(transport.sessionId);
  };
  await createServer(env).connect(transport);
  return transport;
}

function sessionNotFound(): Response {
  const error = { code: -32001, message: "Session not found" };
  return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
}
