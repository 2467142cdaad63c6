// Calls an MCP server with the official TypeScript SDK 2.x. Contract: README.md here.
// MCP_ERA is "auto" (2026-07-28 when the server offers it; the default) or "legacy".

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { answerQuestion, drive, installed, main } from "./driver.mjs";

main(() =>
  drive(installed("@modelcontextprotocol/client"), async ({ url, era }, requestInit) => {
    const options = { versionNegotiation: { mode: era }, capabilities: { elicitation: {} } };
    const client = new Client({ name: "smcp-test-sdk2", version: "1.0.0" }, options);
    client.setRequestHandler("elicitation/create", answerQuestion);
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
