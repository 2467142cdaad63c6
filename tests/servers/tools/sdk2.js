// The eight tools on the TypeScript SDK 2.x, for every server that is built on it.

import { McpServer, inputRequired } from "@modelcontextprotocol/server";
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

  asking(server, "ask", "Asks the person a question.", (question) => inputRequired.elicit(form(question)), answered);
  // Without sessions there is only the call to ask on.
  asking(server, "elicit", "Asks the person a question.", (question) => inputRequired.elicit(form(question)), answered);
  asking(server, "sample", "Asks the client's model.", sampling, ({ content }) => `sampled: ${content.text}`);
  asking(server, "roots", "Asks for the client's roots.", inputRequired.listRoots, ({ roots }) => `roots: ${roots.map(({ name }) => name)}`);

  server.registerTool(
    "announce",
    { description: "Says something to whoever listens.", inputSchema: z.object({ words: z.string() }) },
    () => ({ ...say("nobody listens"), isError: true }),
  );
  return server;
}

/** A tool whose client asks somebody else, and makes the call again with what it was told. */
function asking(server, name, description, ask, answer) {
  const inputSchema = z.object({ question: z.string().optional() });
  server.registerTool(name, { description, inputSchema }, ({ question }, { mcpReq }) => {
    const given = mcpReq.inputResponses?.asked;
    return given ? say(answer(given)) : inputRequired({ inputRequests: { asked: ask(question) } });
  });
}

const answered = ({ action, content }) => `${action}: ${content?.answer}`;

function form(message) {
  const requestedSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
  return { message, requestedSchema };
}

function sampling(question) {
  const messages = [{ role: "user", content: { type: "text", text: question } }];
  return inputRequired.createMessage({ messages, maxTokens: 100 });
}

function say(text) {
  return { content: [{ type: "text", text }] };
}
