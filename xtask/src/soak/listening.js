// A server with sessions in memory that says something unasked when it is told to.
const sessions = new Map();
const tool = { name: "say", inputSchema: { type: "object" } };

export default {
  async fetch(request, _env, context) {
    const session = request.headers.get("mcp-session-id");
    if (request.method === "GET") {
      if (!sessions.has(session)) return new Response(null, { status: 404 });
      const { readable, writable } = new TransformStream();
      sessions.set(session, writable.getWriter());
      // The runtime ends a request that waits for nothing.
      context.waitUntil(new Promise((done) => setTimeout(done, 600_000)));
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });
    }
    if (request.method !== "POST") return new Response(null, { status: 200 });
    const { id, method, params } = await request.json();
    const answer = (result, headers = {}) => Response.json({ jsonrpc: "2.0", id, result }, { headers });
    if (method === "initialize") {
      const begun = crypto.randomUUID();
      sessions.set(begun, null);
      const serverInfo = { name: "listening", version: "1" };
      const result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo };
      return answer(result, { "mcp-session-id": begun });
    }
    if (method === "tools/list") return answer({ tools: [tool] });
    if (!sessions.has(session)) return new Response(null, { status: 404 });
    if (method !== "tools/call") return new Response(null, { status: 202 });
    const news = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: params.arguments.word } };
    const writer = sessions.get(session);
    if (writer) await writer.write(new TextEncoder().encode(`data: ${JSON.stringify(news)}\n\n`));
    return answer({ content: [{ type: "text", text: writer ? "said" : "nobody listens" }] });
  },
};
