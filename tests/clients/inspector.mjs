// Calls an MCP server with the command line of MCP Inspector, a process for each request. Contract: README.md here.
// MCP_ERA is "auto" (2026-07-28 when the server offers it; the default) or "legacy".

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installed, main, order, shown } from "./driver.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const PROGRAM = path("./node24/node_modules/.bin/mcp-inspector");

main(async () => {
  const { calls, ...target } = await order();
  const home = mkdtempSync(join(tmpdir(), "smcp-inspector-"));
  try {
    const request = (...words) => inspect(target, home, ...words);
    const call = async ({ tool, arguments: args }) => {
      const said = await request("tools/call", "--tool-name", tool, "--tool-args-json", JSON.stringify(args));
      // It shows no progress.
      return said.result ? shown(tool, said.result, null) : { tool, error: said.error.message };
    };
    const [hello, list] = await Promise.all([request("initialize"), request("tools/list")]);
    const { serverInfo: server, protocolVersion: protocol } = wanted(hello);
    const tools = wanted(list).tools.map((tool) => tool.name).sort();
    const results = await Promise.all(calls.map(call));
    const client = installed("@modelcontextprotocol/inspector", "./node24");
    console.log(JSON.stringify({ client, protocol, server, tools, results }));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

function wanted({ result, error }) {
  if (!result) throw new Error(error.message);
  return result;
}

/** One request: what it prints on success, and also when a tool's answer is an error; else its own error. */
function inspect({ url, authorization, era }, home, method, ...words) {
  const server = ["--server-url", url.href, "--transport", "http", "--header", `Authorization: ${authorization}`];
  const how = ["--protocol-era", era, "--stored-auth-only", "--format", "json", "--quiet"];
  const args = ["--import", path("./origin-guard.mjs"), PROGRAM, "--cli", ...server, ...how, "--method", method, ...words];
  const env = { PATH: process.env.PATH, HOME: home, MCP_INSPECTOR_SECRET_STORE: "memory" };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 60_000 }, (failure, stdout, stderr) => {
      const lines = [stdout, stderr].flatMap((text) => text.trim().split("\n"));
      const line = lines.find((line) => line.startsWith("{"));
      resolve(line ? JSON.parse(line) : { error: { message: failure?.message ?? "nothing was printed" } });
    }).stdin.end();
  });
}
