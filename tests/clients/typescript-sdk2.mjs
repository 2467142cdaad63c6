// Calls an MCP server with the official TypeScript SDK 2.x. Contract: README.md here.
// MCP_ERA is "auto" (2026-07-28 when the server offers it; the default) or "legacy".

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { CAPABILITIES, drive, installed, listen, main } from "./driver.mjs";

const MESSAGES = {
  elicit: "elicitation/create",
  sample: "sampling/createMessage",
  roots: "roots/list",
  log: "notifications/message",
  tools: "notifications/tools/list_changed",
};

main(() =>
  drive(installed("@modelcontextprotocol/client"), async ({ url, era }, requestInit) => {
    const options = { versionNegotiation: { mode: era }, capabilities: CAPABILITIES };
    const client = new Client({ name: "smcp-test-sdk2", version: "1.0.0" }, options);
    listen(client, MESSAGES);
    const transport = new StreamableHTTPClientTransport(url, { requestInit });
    await client.connect(transport);
    return {
      client,
      transport,
      protocol: () => client.getNegotiatedProtocolVersion(),
      call: (request, options) => client.callTool(request, options),
    };
  }),
);
