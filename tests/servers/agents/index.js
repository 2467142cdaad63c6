// Cloudflare's `agents` on the TypeScript SDK 2.x, without sessions.

import { createMcpHandler } from "agents/mcp/server";
import { createServer } from "../tools/sdk2.js";

const handler = createMcpHandler(() => createServer("agents"));

export default {
  fetch: (request, env, context) => handler(request, env, context),
};
