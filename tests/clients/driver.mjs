// What the TypeScript drivers share: the contract of tests/clients/README.md around any connected SDK client.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

/** The exact installed version, since the answer names it. */
export function installed(packageName, folder = ".") {
  const file = new URL(`${folder}/node_modules/${packageName}/package.json`, import.meta.url);
  return `${packageName} ${JSON.parse(readFileSync(file, "utf8")).version}`;
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** What the environment and standard input ask for. */
export async function order() {
  const calls = JSON.parse(await text(process.stdin));
  const url = new URL(required("MCP_URL"));
  return { calls, url, authorization: `Bearer ${required("MCP_KEY")}`, era: process.env.MCP_ERA ?? "auto" };
}

/** What a client that can be asked everything declares. */
export const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };

const ANSWER = process.env.MCP_ANSWER ?? "yes";

/** What a server said unasked. */
const heard = { log: null, lists: [] };
const HEARD_WITHIN_MS = 10_000;

/** Answers every question alike and notes what is said; the second argument is how the SDK names the messages. */
export function listen(client, { elicit, sample, roots, log, tools }) {
  client.setRequestHandler(elicit, () => ({ action: "accept", content: { answer: ANSWER } }));
  const content = { type: "text", text: ANSWER };
  client.setRequestHandler(sample, () => ({ model: "none", role: "assistant", content }));
  client.setRequestHandler(roots, () => ({ roots: [{ uri: "file:///root", name: ANSWER }] }));
  client.setNotificationHandler(log, ({ params }) => void (heard.log = params.data));
  client.setNotificationHandler(tools, () => void heard.lists.push("tools"));
}

/** What was said since the last time, when all of it has come. */
async function everythingHeard() {
  const until = Date.now() + HEARD_WITHIN_MS;
  while ((heard.log === null || heard.lists.length === 0) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { log, lists } = heard;
  Object.assign(heard, { log: null, lists: [] });
  return { log, lists };
}

/** Connects, lists, makes every call of standard input, and prints one line of JSON. */
export async function drive(client, connect) {
  const { calls, ...target } = await order();
  const connection = await connect(target, { headers: { Authorization: target.authorization } });
  const tools = await listTools(connection.client);
  const results = [];
  for (const call of calls) results.push(await callTool(connection, call));

  const { name, version } = connection.client.getServerVersion() ?? {};
  const protocol = connection.protocol();
  // A legacy session is ended with DELETE; where there is no session this does nothing.
  await connection.transport.terminateSession?.();
  await connection.client.close();
  console.log(JSON.stringify({ client, protocol, server: { name, version }, tools, results }));
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
  try {
    const result = await connection.call({ name: tool, arguments: args }, options);
    const answer = shown(tool, result, progress);
    return tool === "announce" && !answer.isError ? { ...answer, heard: await everythingHeard() } : answer;
  } catch (error) {
    return { tool, error: String(error.message) };
  }
}

/** The answer to a call, in the contract's form. */
export function shown(tool, result, progress) {
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
