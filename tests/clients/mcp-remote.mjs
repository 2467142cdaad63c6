// Calls an MCP server through `mcp-remote`, as a desktop client that knows only stdio does. Contract: README.md here.
// MCP_ERA is "auto" (`--protocol auto`; the default) or "legacy".

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CAPABILITIES, drive, installed, listen, main } from "./driver.mjs";
import { MESSAGES } from "./messages.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

main(async () => {
  const home = mkdtempSync(join(tmpdir(), "smcp-mcp-remote-"));
  try {
    await drive(installed("mcp-remote", "./node24"), (target) => connect(target, home));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

async function connect({ url, authorization, era }, home) {
  const guard = ["./origin-guard.mjs", "./late-listening.mjs"].flatMap((name) => ["--import", path(name)]);
  const program = path("./node24/node_modules/mcp-remote/dist/proxy.js");
  const args = [...guard, program, url.href, "--header", `Authorization:${authorization}`, "--protocol", era];
  const { PATH, MCP_LISTEN_AFTER } = process.env;
  const env = { PATH, MCP_LISTEN_AFTER, HOME: home, MCP_REMOTE_CONFIG_DIR: home };
  const transport = new StdioClientTransport({ command: process.execPath, args, env, stderr: "pipe" });
  const said = [];
  transport.stderr.on("data", (chunk) => said.push(chunk));
  const client = new Client({ name: "smcp-test-remote", version: "1.0.0" }, { capabilities: CAPABILITIES });
  listen(client, MESSAGES);
  // The revision between client and proxy; what the proxy speaks with the server it tells nobody.
  let protocol;
  transport.setProtocolVersion = (version) => (protocol = version);
  await client.connect(transport).catch((error) => {
    throw new Error(`${error.message}\n${Buffer.concat(said)}`);
  });
  // Messages come in one piece, and the SDK would take the answer before progress that stands in front of it.
  const deliver = transport.onmessage;
  transport.onmessage = (message) => setImmediate(deliver, message);
  return {
    client,
    transport,
    protocol: () => protocol,
    call: (request, options) => client.callTool(request, undefined, options),
  };
}
