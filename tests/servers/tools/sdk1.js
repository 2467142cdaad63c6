// The four tools on the TypeScript SDK 1.x, for every server that is built on it.

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker";
import * as z from "zod";

export function createServer(name) {
  // Its default, Ajv, makes code out of schemas, which no Worker may.
  const server = new McpServer({ name, version: "1.0.0" }, { jsonSchemaValidator: new CfWorkerJsonSchemaValidator() });
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
      const requestedSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
      // With the id of the call the question goes out on the call's own stream.
      const options = { relatedRequestId: requestId, timeout: 10_000 };
      const { action, content } = await server.server.elicitInput({ message: question, requestedSchema }, options);
      return say(`${action}: ${content?.answer}`);
    },
  );
  return server;
}

function say(text) {
  return { content: [{ type: "text", text }] };
}
