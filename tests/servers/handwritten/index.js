// No SDK: JSON-RPC by hand, for 2026-07-28 and for the two revisions before it, without sessions.

const MODERN = "2026-07-28";
const LEGACY = ["2025-11-25", "2025-06-18"];
const NO_METHOD = -32601;
const NO_CAPABILITY = -32021;
const SERVER = { name: "handwritten", version: "1.0.0" };
const META = { "io.modelcontextprotocol/serverInfo": SERVER };
const CAPABILITIES = { tools: {} };

const string = { type: "string" };
const number = { type: "number" };
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties) });

const TOOLS = [
  {
    name: "add",
    description: "Adds two numbers.",
    inputSchema: object({ a: number, b: number }),
    outputSchema: object({ sum: number }),
  },
  { name: "count", description: "Counts, and tells after each step.", inputSchema: object({ steps: number }) },
  { name: "refuse", description: "Refuses, with the reason it is given.", inputSchema: object({ reason: string }) },
  { name: "ask", description: "Asks the person a question.", inputSchema: object({ question: string }) },
  { name: "elicit", description: "Asks the person a question.", inputSchema: object({ question: string }) },
  { name: "sample", description: "Asks the client's model.", inputSchema: object({ question: string }) },
  { name: "roots", description: "Asks for the client's roots.", inputSchema: object({}) },
  { name: "announce", description: "Says something to whoever listens.", inputSchema: object({ words: string }) },
];

/** Tools that ask: the capability the client must have, the question, and what its answer becomes. */
const form = (question) => ({ mode: "form", message: question, requestedSchema: object({ answer: string }) });
const elicitation = {
  capability: { elicitation: { form: {} } },
  ask: ({ question }) => ({ method: "elicitation/create", params: form(question) }),
  answer: ({ action, content }) => `${action}: ${content?.answer}`,
};
const ASKING = {
  ask: elicitation,
  elicit: elicitation,
  sample: {
    capability: { sampling: {} },
    ask: ({ question }) => {
      const messages = [{ role: "user", content: { type: "text", text: question } }];
      return { method: "sampling/createMessage", params: { messages, maxTokens: 100 } };
    },
    answer: ({ content }) => `sampled: ${content.text}`,
  },
  roots: {
    capability: { roots: {} },
    ask: () => ({ method: "roots/list", params: {} }),
    answer: ({ roots }) => `roots: ${roots.map(({ name }) => name)}`,
  },
};

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { allow: "POST" } });
    const message = await request.json();
    if (message.id === undefined) return new Response(null, { status: 202 });
    const modern = message.params?._meta?.["io.modelcontextprotocol/protocolVersion"] === MODERN;
    if (message.method === "tools/call" && message.params.name === "count") return count(message, modern);
    const answer = { jsonrpc: "2.0", id: message.id, ...reply(message, modern) };
    const status = { [NO_METHOD]: 404, [NO_CAPABILITY]: 400 }[modern && answer.error?.code];
    return Response.json(answer, { status: status ?? 200 });
  },
};

function reply({ method, params = {} }, modern) {
  const result = (value) => ({ result: modern ? { resultType: "complete", _meta: META, ...value } : value });
  switch (modern || method !== "server/discover" ? method : undefined) {
    case "server/discover":
      return result({
        supportedVersions: [MODERN],
        capabilities: CAPABILITIES,
        ttlMs: 60_000,
        cacheScope: "public",
      });
    case "initialize": {
      const protocolVersion = LEGACY.includes(params.protocolVersion) ? params.protocolVersion : LEGACY[0];
      return result({ protocolVersion, capabilities: CAPABILITIES, serverInfo: SERVER });
    }
    case "ping":
      return result({});
    case "tools/list":
      return result({ tools: TOOLS, ...(modern && { ttlMs: 60_000, cacheScope: "public" }) });
    case "tools/call": {
      const requiredCapabilities = modern ? (ASKING[params.name]?.capability ?? {}) : {};
      const declared = params._meta?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
      const missing = Object.keys(requiredCapabilities).find((name) => !declared[name]);
      if (missing) {
        const message = `the client has no ${missing}`;
        return { error: { code: NO_CAPABILITY, message, data: { requiredCapabilities } } };
      }
      return result(call(params, modern));
    }
    default:
      return { error: { code: NO_METHOD, message: "Method not found" } };
  }
}

function call({ name, arguments: given, inputResponses }, modern) {
  switch (name) {
    case "add": {
      const sum = given.a + given.b;
      return { ...say(`${given.a} + ${given.b} = ${sum}`), structuredContent: { sum } };
    }
    case "refuse":
      return { ...say(given.reason), isError: true };
    case "announce":
      return { ...say("nobody listens"), isError: true };
    case "ask":
    case "elicit":
    case "sample":
    case "roots":
      return modern ? ask(ASKING[name], given, inputResponses?.asked) : { ...say("nobody can be asked"), isError: true };
    default:
      return { ...say(`there is no tool ${name}`), isError: true };
  }
}

/** The client asks somebody else, and makes the call again with what it was told. */
function ask({ ask, answer }, given, told) {
  if (told) return say(answer(told));
  return { resultType: "input_required", inputRequests: { asked: ask(given) }, requestState: "asked" };
}

/** An answer with notifications before it is a stream. */
function count({ id, params }, modern) {
  const steps = params.arguments.steps;
  const progressToken = params._meta?.progressToken;
  const messages = [];
  for (let progress = 1; progress <= steps && progressToken !== undefined; progress++) {
    const step = { progressToken, progress, total: steps };
    messages.push({ jsonrpc: "2.0", method: "notifications/progress", params: step });
  }
  const result = { ...(modern && { resultType: "complete", _meta: META }), ...say(`counted to ${steps}`) };
  messages.push({ jsonrpc: "2.0", id, result });
  const events = messages.map((message) => `event: message\ndata: ${JSON.stringify(message)}\n\n`);
  return new Response(events.join(""), { headers: { "content-type": "text/event-stream" } });
}

function say(text) {
  return { content: [{ type: "text", text }] };
}
