// The server that both sides run, word by word: one tool runs a group of steps, the other repeats one operation.

import * as d1 from "./d1.js";
import * as durable from "./durable.js";
import * as kv from "./kv.js";
import { loop } from "./loop.js";
import { refusal, shown } from "./normal.js";
import * as objects from "./objects.js";

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const INFO = { name: "compare", version: "1.0.0" };
const CAPABILITIES = { kv, objects, d1, durable };

export { Ledger } from "./durable.js";

const TOOLS = [
  { name: "groups", description: "The names of a capability's groups of steps.", run: ({ capability }) => Object.keys(CAPABILITIES[capability]).filter((name) => name !== "Ledger") },
  { name: "run", description: "Runs a group of steps, and tells what came of each.", run: ({ capability, group }, env) => run(CAPABILITIES[capability][group], env) },
  { name: "loop", description: "Repeats one operation.", run: ({ operation, times }, env) => loop[operation](env, times) },
];

/** What came of each step, in order. A step that throws is a result like any other. */
async function run(group, env) {
  const results = [];
  await group(env, async (name, call) => {
    try {
      const value = await call();
      results.push([name, await shown(value)]);
      return value;
    } catch (error) {
      results.push([name, refusal(error)]);
    }
  });
  return results;
}

async function answer(method, params, env) {
  switch (method) {
    case "server/discover":
      return { supportedVersions: [MODERN, LEGACY], capabilities: { tools: {} }, ttlMs: 60_000, cacheScope: "private" };
    case "initialize":
      return { protocolVersion: LEGACY, capabilities: { tools: {} }, serverInfo: INFO };
    case "tools/list":
      return { tools: TOOLS.map(({ name, description }) => ({ name, description, inputSchema: { type: "object" } })) };
    case "tools/call": {
      const tool = TOOLS.find(({ name }) => name === params.name);
      return { content: [{ type: "text", text: JSON.stringify(await tool.run(params.arguments, env)) }] };
    }
    default:
      return undefined;
  }
}

export default {
  async fetch(request, env) {
    const { id, method, params } = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    const modern = request.headers.get("mcp-protocol-version") === MODERN;
    const result = await answer(method, params, env);
    if (result === undefined) {
      const error = { code: -32601, message: "Method not found" };
      return Response.json({ jsonrpc: "2.0", id, error }, { status: modern ? 404 : 200 });
    }
    if (modern) {
      Object.assign(result, { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": INFO } });
      if (method === "tools/list") Object.assign(result, { ttlMs: 60_000, cacheScope: "private" });
    }
    return Response.json({ jsonrpc: "2.0", id, result });
  },
};
