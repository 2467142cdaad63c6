// The four tools on the TypeScript SDK 2.x, for every server that is built on it.

import { McpServer, acceptedContent, inputRequired } from "@modelcontextprotocol/server";
import * as z from "zod";

export function createServer(name) {
  const server = new McpServer({ name, version: "1.0.0" });

  server.registerTool(
    "add",
    {
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
    },
    ({ a, b }) => ({ ...say(`${a} + ${b} = ${a + b}`), structuredContent: { sum: a + b } }),
  );

  server.registerTool(
    "count",
    {
      description: "Counts, and tells after each step.",
      inputSchema: z.object({ steps: z.number().int().min(1).max(50) }),
    },
    async ({ steps }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= steps && progressToken !== undefined; progress++) {
        const params = { progressToken, progress, total: steps };
        await mcpReq.notify({ method: "notifications/progress", params });
      }
      return say(`counted to ${steps}`);
    },
  );

  server.registerTool(
    "refuse",
    { description: "Refuses, with the reason it is given.", inputSchema: z.object({ reason: z.string() }) },
    ({ reason }) => ({ ...say(reason), isError: true }),
  );

  server.registerTool(
    "ask",
    { description: "Asks the person a question.", inputSchema: z.object({ question: z.string() }) },
    ({ question }, { mcpReq }) => {
      // The client asks the person, and makes the call again with what it was told.
      const given = acceptedContent(mcpReq.inputResponses, "person", z.object({ answer: z.string() }));
      if (given) return say(`accept: ${given.answer}`);
      const requestedSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
      return inputRequired({ inputRequests: { person: inputRequired.elicit({ message: question, requestedSchema }) } });
    },
  );
  return server;
}

function say(text) {
  return { content: [{ type: "text", text }] };
}
