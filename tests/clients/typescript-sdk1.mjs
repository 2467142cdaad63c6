// Calls an MCP server with the official TypeScript SDK 1.x. Contract: README.md here.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { answerQuestion, drive, installed, main } from "./driver.mjs";

main(() =>
  drive(installed("@modelcontextprotocol/sdk"), async ({ url }, requestInit) => {
    const client = new Client({ name: "smcp-test-sdk1", version: "1.0.0" }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, answerQuestion);
    const transport = new StreamableHTTPClientTransport(url, { requestInit });
    await client.connect(transport);
    return {
      client,
      transport,
      protocol: () => transport.protocolVersion,
      call: (request, options) => client.callTool(request, undefined, options),
    };
  }),
);
