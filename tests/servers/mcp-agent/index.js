// Cloudflare's `McpAgent` on the TypeScript SDK 1.x: a Durable Object for each session.

import { McpAgent } from "agents/mcp";
import { createServer } from "../tools/sdk1.js";

export class Tools extends McpAgent {
  server = createServer("mcp-agent");

  async init() {}
}

export default Tools.serve("/mcp");
