// An MCP server in one file: no packages, no build step. Your tools come first; the protocol is below them.
// SMCP has checked who calls, where from and how much before a request arrives here.

const SERVER = { name: "{{name}}", version: "1.0.0" };

/** What a client sees of a tool, and `run`: arguments and `env` in, text out. Throw to tell the model what is wrong. */
const TOOLS = [
  {
    name: "greet",
    description: "Greets somebody by name.",
    inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
    annotations: { readOnlyHint: true, openWorldHint: false },
    run({ name }, env) {
      if (typeof name !== "string") throw new TypeError("name must be text");
      return `${env.GREETING}, ${name}!`; // GREETING is set by [vars] in smcp.toml
    },
  },
  {
    name: "add",
    description: "Adds two numbers.",
    inputSchema: {
      type: "object",
      properties: { a: { type: "number" }, b: { type: "number" } },
      required: ["a", "b"],
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
    run({ a, b }) {
      if (typeof a !== "number" || typeof b !== "number") throw new TypeError("a and b must be numbers");
      return `${a} + ${b} = ${a + b}`;
    },
  },
];

// From here on: MCP over streamable HTTP, without sessions. You should not have to change it.

/** Revisions that begin with `initialize`, newest first, and the one where every request stands alone. */
const LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"];
const MODERN = "2026-07-28";
const CAPABILITIES = { tools: {} };
/** Goes with every modern result, as `initialize` does not happen there. */
const IDENTITY = { "io.modelcontextprotocol/serverInfo": SERVER };

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/mcp") return new Response("Not found", { status: 404 });
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { Allow: "POST" } });

    const body = await request.json().catch(() => undefined);
    if (body === undefined) return Response.json(failure(undefined, -32700, "Parse error"), { status: 400 });
    if (Array.isArray(body)) return answerBatch(body, request.headers, env);

    const reply = await answer(body, request.headers, env);
    return reply ? Response.json(reply.message, { status: reply.status }) : new Response(null, { status: 202 });
  },
};

/** Batches exist in 2025-03-26 only, which has no version header yet. */
async function answerBatch(messages, headers, env) {
  if (messages.length === 0 || messages.length > 100 || headers.has("mcp-protocol-version")) {
    return Response.json(failure(undefined, -32600, "Invalid request"), { status: 400 });
  }
  const replies = await Promise.all(messages.map((message) => answer(message, headers, env)));
  const answered = replies.filter(Boolean).map((reply) => reply.message);
  return answered.length > 0 ? Response.json(answered) : new Response(null, { status: 202 });
}

/** The reply to one message and its HTTP status; nothing for a notification. */
async function answer(message, headers, env) {
  const id = message?.id;
  try {
    const { method, params } = checkEnvelope(message);
    if (id === undefined || method === undefined) return undefined;

    const modern = checkRevision(method, params, headers);
    const result = await dispatch(method, params, modern, env);
    if (modern) Object.assign(result, { resultType: "complete", _meta: IDENTITY });
    return { status: 200, message: { jsonrpc: "2.0", id, result } };
  } catch (error) {
    if (error instanceof ProtocolError) {
      return { status: error.status, message: failure(id, error.code, error.message, error.data) };
    }
    console.error(error);
    return { status: 500, message: failure(id, -32603, "Internal error") };
  }
}

async function dispatch(method, params, modern, env) {
  // Modern clients may keep these two answers for a minute.
  const caching = modern ? { ttlMs: 60_000, cacheScope: "private" } : {};

  if (method === "tools/list") return { tools: TOOLS.map(({ run, ...definition }) => definition), ...caching };
  if (method === "tools/call") return callTool(params, env);
  if (modern && method === "server/discover") {
    return { supportedVersions: [MODERN, ...LEGACY], capabilities: CAPABILITIES, ...caching };
  }
  if (!modern && method === "initialize") {
    const protocolVersion = LEGACY.includes(params.protocolVersion) ? params.protocolVersion : LEGACY[0];
    return { protocolVersion, capabilities: CAPABILITIES, serverInfo: SERVER };
  }
  if (!modern && method === "ping") return {};
  throw new ProtocolError(-32601, `Method not found: ${method}`, { status: modern ? 404 : 200 });
}

async function callTool({ name, arguments: args }, env) {
  const tool = TOOLS.find((tool) => tool.name === name);
  if (!tool) throw new ProtocolError(-32602, `Unknown tool: ${name}`);
  try {
    return { content: [{ type: "text", text: await tool.run(args ?? {}, env) }] };
  } catch (error) {
    return { content: [{ type: "text", text: error.message }], isError: true };
  }
}

function checkEnvelope(message) {
  const { jsonrpc, method, params = {}, result, error } = message ?? {};
  const known = typeof method === "string" || result !== undefined || error !== undefined;
  if (jsonrpc !== "2.0" || !known || typeof params !== "object" || params === null) {
    throw new ProtocolError(-32600, "Invalid request", { status: 400 });
  }
  return { method, params };
}

/** True for a modern request, whose headers must then repeat what its body says; false for a legacy one. */
function checkRevision(method, params, headers) {
  const header = headers.get("mcp-protocol-version");
  const declared = params._meta?.["io.modelcontextprotocol/protocolVersion"];
  const modern = declared !== undefined || header === MODERN;
  if (modern) {
    const same =
      header === declared &&
      headers.get("mcp-method") === method &&
      (method !== "tools/call" || decoded(headers.get("mcp-name")) === params.name);
    if (!same) throw new ProtocolError(-32020, "Header mismatch", { status: 400 });
  }
  const asked = declared ?? header ?? LEGACY.at(-1);
  if (modern ? asked !== MODERN : !LEGACY.includes(asked)) {
    const data = { supported: [MODERN, ...LEGACY], requested: asked };
    throw new ProtocolError(-32022, "Unsupported protocol version", { status: 400, data });
  }
  return modern;
}

/** A header value; one that is not plain ASCII comes as =?base64?…?=. */
function decoded(value) {
  const base64 = value?.match(/^=\?base64\?(.*)\?=$/)?.[1];
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString();
}

class ProtocolError extends Error {
  constructor(code, message, { status = 200, data } = {}) {
    super(message);
    Object.assign(this, { code, status, data });
  }
}

function failure(id, code, message, data) {
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}
