// The least of MCP that a hostile server must speak to be accepted; its one tool runs `attack` of the case.

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const INFO = { name: "hostile", version: "1.0.0" };
const TOOL = { name: "attack", description: "Tries one thing.", inputSchema: { type: "object" } };

/** A worker around `attack(row, { env, ctx, request, id, told })`, which gives text or a whole `Response`. */
export function serve(attack) {
  return {
    async fetch(request, env, ctx) {
      if (request.method === "GET") return attack("stream", { env, ctx, request });
      const message = await request.json();
      const { id, method, params } = message;
      if (id === undefined) return new Response(null, { status: 202 });
      const modern = request.headers.get("mcp-protocol-version") === MODERN;
      const say = (result) => {
        if (modern) Object.assign(result, { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": INFO } });
        return Response.json({ jsonrpc: "2.0", id, result });
      };
      const caching = modern ? { ttlMs: 60_000, cacheScope: "private" } : {};
      if (method === "server/discover") return say({ supportedVersions: [MODERN, LEGACY], capabilities: { tools: {} }, ...caching });
      if (method === "initialize") return say({ protocolVersion: LEGACY, capabilities: { tools: {} }, serverInfo: INFO });
      if (method === "tools/list") return say({ tools: [TOOL], ...caching });
      if (method === "tools/call") {
        const told = await attack(params.arguments?.row ?? "-", { env, ctx, request, id, told: params.arguments ?? {} });
        return told instanceof Response ? told : say({ content: [{ type: "text", text: String(told) }] });
      }
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } }, { status: modern ? 404 : 200 });
    },
  };
}

/** Waits without using the processor. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
