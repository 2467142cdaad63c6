// The eight tools on the TypeScript SDK 1.x, for every server that is built on it.

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker";
import * as z from "zod";

export function createServer(name, { sessions = true } = {}) {
  const capabilities = { logging: {} };
  // Its default, Ajv, makes code out of schemas, which no Worker may.
  const jsonSchemaValidator = new CfWorkerJsonSchemaValidator();
  const server = new McpServer({ name, version: "1.0.0" }, { capabilities, jsonSchemaValidator });
  server.registerTool(
    "add",
    {
      description: "Adds two numbers.",
      inputSchema: { a: z.number(), b: z.number() },
      outputSchema: { sum: z.number() },
    },
    ({ a, b }) => ({ ...say(`${a} + ${b} = ${a + b}`), structuredContent: { sum: a + b } }),
  );

  server.registerTool(
    "count",
    { description: "Counts, and tells after each step.", inputSchema: { steps: z.number().int().min(1).max(50) } },
    async ({ steps }, { _meta, sendNotification }) => {
      const progressToken = _meta?.progressToken;
      for (let progress = 1; progress <= steps && progressToken !== undefined; progress++) {
        const params = { progressToken, progress, total: steps };
        await sendNotification({ method: "notifications/progress", params });
      }
      return say(`counted to ${steps}`);
    },
  );

  server.registerTool(
    "refuse",
    { description: "Refuses, with the reason it is given.", inputSchema: { reason: z.string() } },
    ({ reason }) => ({ ...say(reason), isError: true }),
  );

  server.registerTool(
    "ask",
    { description: "Asks the person a question.", inputSchema: { question: z.string() } },
    async ({ question }, { requestId }) => {
      // With the id of the call the question goes out on the call's own stream.
      const options = { relatedRequestId: requestId, timeout: 10_000 };
      const { action, content } = await server.server.elicitInput(form(question), options);
      return say(`${action}: ${content?.answer}`);
    },
  );
  sayUnasked(server, sessions);
  return server;
}

/** Without the id of a call everything goes out on the session's own stream, the one a client gets with GET. */
function sayUnasked(whole, sessions) {
  const { server } = whole;
  // Where nobody can answer it is not worth a wait.
  const options = { timeout: sessions ? 10_000 : 500 };

  whole.registerTool(
    "elicit",
    { description: "Asks the person a question, beside the call.", inputSchema: { question: z.string() } },
    async ({ question }) => {
      const { action, content } = await server.elicitInput(form(question), options);
      return say(`${action}: ${content?.answer}`);
    },
  );

  whole.registerTool(
    "sample",
    { description: "Asks the client's model, beside the call.", inputSchema: { question: z.string() } },
    async ({ question }) => {
      const messages = [{ role: "user", content: { type: "text", text: question } }];
      const { content } = await server.createMessage({ messages, maxTokens: 100 }, options);
      return say(`sampled: ${content.text}`);
    },
  );

  whole.registerTool("roots", { description: "Asks for the client's roots, beside the call." }, async () => {
    const { roots } = await server.listRoots(undefined, options);
    return say(`roots: ${roots.map(({ name }) => name)}`);
  });

  whole.registerTool(
    "announce",
    { description: "Says something to whoever listens.", inputSchema: { words: z.string() } },
    async ({ words }) => {
      if (!sessions) return { ...say("nobody listens"), isError: true };
      await server.sendLoggingMessage({ level: "warning", data: words });
      await server.sendToolListChanged();
      return say(`announced ${words}`);
    },
  );
}

function form(message) {
  const requestedSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
  return { message, requestedSchema };
}

function say(text) {
  return { content: [{ type: "text", text }] };
}
