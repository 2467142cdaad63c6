// The server that the suite asks questions of: the official SDK over tables of tools, prompts and resources.

import { McpServer, ProtocolError, fromJsonSchema } from "@modelcontextprotocol/server";
import { PROMPTS, RESOURCES, TEMPLATES, read } from "./content.js";
import { ROUNDS, ROUND_PROMPT } from "./rounds.js";
import { SKILL_RESOURCES, readSkill, skills } from "./skills.js";
import { TASKS, TASK_TOOLS, answerTasks, callTask } from "./tasks.js";
import { TOOLS } from "./tools.js";

const INFO = { name: "conformance", version: "1.0.0" };
const INVALID_PARAMS = -32602;
const MISSING_CAPABILITY = -32021;
const KEPT = { ttlMs: 60_000, cacheScope: "private" };
const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  completions: {},
};
const CACHED = ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", "server/discover"];

const EMPTY = { type: "object", properties: {} };
const say = (text) => ({ content: [{ type: "text", text }] });

/** Tools that only 2026-07-28 has. `changed` tells those who listen. */
const modernTools = (changed) => ({
  test_missing_capability: ({ capabilities }) => {
    if (capabilities.sampling) return say("The client can sample.");
    throw new ProtocolError(MISSING_CAPABILITY, "this tool needs sampling", { requiredCapabilities: { sampling: {} } });
  },
  test_trigger_tool_change: () => (changed?.toolsChanged(), say("The tools have changed.")),
  test_trigger_prompt_change: () => (changed?.promptsChanged(), say("The prompts have changed.")),
  ...ROUNDS,
});

/** One server for one request or one session. */
export async function createServer({ modern, changed }) {
  const capabilities = modern ? { ...CAPABILITIES, extensions: { [TASKS]: {} } } : CAPABILITIES;
  const options = { capabilities, cacheHints: Object.fromEntries(CACHED.map((method) => [method, KEPT])) };
  const whole = new McpServer(INFO, options);
  if (modern) (await skills()).attach(whole);
  // Tools are registered, so that the SDK knows their schemas; everything is answered from tables.
  const handle = (method, answer) => whole.server.setRequestHandler(method, answer);
  const refuse = (message, data) => new ProtocolError(INVALID_PARAMS, message, data);
  const rounds = modern ? modernTools(changed) : {};
  const register = (name, schema = EMPTY) =>
    whole.registerTool(name, { description: `Tests ${name}`, inputSchema: fromJsonSchema(schema) }, () => undefined);
  for (const [name, { schema }] of Object.entries(TOOLS)) register(name, schema);
  for (const name of Object.keys(rounds)) register(name);
  const tasks = modern ? TASK_TOOLS : {};
  for (const [name, { properties = {} }] of Object.entries(tasks)) register(name, { type: "object", properties });

  // Ours, because a registered tool cannot answer with a protocol error.
  handle("tools/call", ({ params: { name, arguments: args = {} } }, ctx) => {
    if (Object.hasOwn(TOOLS, name)) return TOOLS[name].run({ args, ctx, ...inside(ctx) });
    if (Object.hasOwn(rounds, name)) return rounds[name](round(ctx), refuse);
    if (Object.hasOwn(tasks, name)) return callTask(name, args, round(ctx));
    throw refuse(`unknown tool: ${name}`);
  });
  handle("prompts/list", () => ({
    prompts: [
      ...Object.entries(PROMPTS).map(([name, prompt]) => ({ name, description: `Tests ${name}`, arguments: prompt.arguments })),
      ...(modern ? [{ name: "test_input_required_result_prompt", description: "Asks before it answers" }] : []),
    ],
  }));
  handle("prompts/get", ({ params: { name, arguments: args = {} } }, ctx) => {
    if (Object.hasOwn(PROMPTS, name)) return PROMPTS[name].get(args);
    if (modern && name === "test_input_required_result_prompt") return ROUND_PROMPT(round(ctx));
    throw refuse(`unknown prompt: ${name}`);
  });
  handle("resources/list", () => ({ resources: modern ? [...RESOURCES, ...SKILL_RESOURCES] : RESOURCES }));
  handle("resources/templates/list", () => ({ resourceTemplates: TEMPLATES }));
  handle("resources/read", ({ params: { uri } }) => {
    const content = read(uri) ?? (modern ? readSkill(uri) : undefined);
    if (content === undefined) throw refuse("no such resource", { uri });
    return { contents: [content] };
  });
  handle("completion/complete", () => ({ completion: { values: [], total: 0, hasMore: false } }));
  if (modern) answerTasks(whole.server, round);
  else {
    handle("resources/subscribe", () => ({}));
    handle("resources/unsubscribe", () => ({}));
    handle("logging/setLevel", () => ({}));
  }
  return whole;
}

/** What a tool may do while it runs. */
const inside = (ctx) => ({
  token: ctx.mcpReq._meta?.progressToken,
  notify: (method, params) => ctx.mcpReq.notify({ method, params }),
  log: (level, data) => ctx.mcpReq.log(level, data),
  closeStream: ctx.http?.closeSSE,
});

/** What came with this round. */
const round = ({ mcpReq }) => ({
  responses: mcpReq.inputResponses,
  state: mcpReq.requestState(),
  capabilities: mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {},
});
