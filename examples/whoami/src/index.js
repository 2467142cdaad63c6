import { verifiedCaller } from "./caller.js";

const NAME = "whoami";
const TOOL = {
  name: "whoami",
  description: "Says who calls, as the platform's signed token has it",
  inputSchema: { type: "object", properties: {} },
};

async function answer(method, request) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: NAME, version: "1.0.0" },
      };
    case "tools/list":
      return { tools: [TOOL] };
    case "tools/call": {
      const { sub, tenant, roles, aud } = await verifiedCaller(request, NAME);
      return { content: [{ type: "text", text: JSON.stringify({ sub, tenant, roles, aud }) }] };
    }
    case "ping":
      return {};
    default:
      return undefined;
  }
}

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const message = await request.json();
    if (message.id === undefined) return new Response(null, { status: 202 });
    const reply = { jsonrpc: "2.0", id: message.id };
    try {
      const result = await answer(message.method, request);
      if (result === undefined) reply.error = { code: -32601, message: `no method ${message.method}` };
      else reply.result = result;
    } catch (error) {
      reply.error = { code: -32000, message: error.message };
    }
    return Response.json(reply);
  },
};
