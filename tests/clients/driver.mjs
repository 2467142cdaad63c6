// What both TypeScript drivers share: the contract of tests/clients/README.md around any connected SDK client.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

/** The exact installed version, since the answer names it. */
function installed(packageName) {
  const file = new URL(`./node_modules/${packageName}/package.json`, import.meta.url);
  return `${packageName} ${JSON.parse(readFileSync(file, "utf8")).version}`;
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Connects, lists, makes every call of standard input, and prints one line of JSON. */
export async function drive(packageName, connect) {
  const calls = JSON.parse(await text(process.stdin));
  const url = new URL(required("MCP_URL"));
  const requestInit = { headers: { Authorization: `Bearer ${required("MCP_KEY")}` } };

  const connection = await connect(url, requestInit);
  const { client, transport } = connection;
  const protocol = connection.protocol();
  const tools = await listTools(client);
  const results = [];
  for (const call of calls) results.push(await callTool(connection, call));

  const { name, version } = client.getServerVersion() ?? {};
  // A legacy session is ended with DELETE; where there is no session this does nothing.
  await transport.terminateSession();
  await client.close();
  console.log(
    JSON.stringify({ client: installed(packageName), protocol, server: { name, version }, tools, results }),
  );
}

async function listTools(client) {
  const names = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? undefined : { cursor });
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return names.sort();
}

async function callTool(connection, { tool, arguments: args }) {
  let progress = 0;
  const options = { timeout: 30_000, onprogress: () => progress++ };
  const result = await connection.call({ name: tool, arguments: args }, options);
  return {
    tool,
    isError: result.isError ?? false,
    text: result.content?.find((part) => part.type === "text")?.text ?? null,
    structured: result.structuredContent ?? null,
    progress,
  };
}

/** Runs a driver: an error goes to standard error and makes the exit code 1. */
export function main(run) {
  run().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
