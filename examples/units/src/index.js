// The Worker. One handler serves clients of the 2026-07-28 revision and of all older ones.

import { createMcpHandler } from "@modelcontextprotocol/server";
import { createServer } from "./server.js";

/** Made at the first request, because that is when a Worker is given its `env`. */
let handler;

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname !== "/mcp") return new Response("Not found", { status: 404 });
    handler ??= createMcpHandler(() => createServer(env));
    return handler.fetch(request);
  },
};
