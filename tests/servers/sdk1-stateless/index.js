// TypeScript SDK 1.x without sessions: a transport and a server for each request.

import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { createServer } from "../tools/sdk1.js";

export default {
  async fetch(request) {
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await createServer("sdk1-stateless", { sessions: false }).connect(transport);
    return transport.handleRequest(request);
  },
};
