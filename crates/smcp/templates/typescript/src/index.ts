import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";

/** Set by `[vars]` in smcp.toml. */
interface Env {
  GREETING: string;
}

function createServer(env: Env): McpServer {
  const server = new McpServer({ name: "{{name}}", version: "1.0.0" });

  server.registerTool(
    "greet",
    {
      description: "Greets somebody by name.",
      inputSchema: z.object({ name: z.string().min(1) }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ name }) => ({ content: [{ type: "text", text: `${env.GREETING}, ${name}!` }] }),
  );

  server.registerTool(
    "add",
    {
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ a, b }) => ({
      content: [{ type: "text", text: `${a} + ${b} = ${a + b}` }],
      structuredContent: { sum: a + b },
    }),
  );

  return server;
}

let handler: ReturnType<typeof createMcpHandler> | undefined;

export default {
  fetch(request: Request, env: Env): Response | Promise<Response> {
    if (new URL(request.url).pathname !== "/mcp") return new Response("Not found", { status: 404 });
    handler ??= createMcpHandler(() => createServer(env));
    return handler.fetch(request);
  },
};
