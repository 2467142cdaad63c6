// Calls an MCP server with the official TypeScript SDK 1.x. Contract: README.md here.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CAPABILITIES, drive, installed, listen, main } from "./driver.mjs";
import { MESSAGES } from "./messages.mjs";

main(() =>
  drive(installed("@modelcontextprotocol/sdk"), async ({ url }, requestInit) => {
    const client = new Client({ name: "smcp-test-sdk1", version: "1.0.0" }, { capabilities: CAPABILITIES });
    listen(client, MESSAGES);
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
