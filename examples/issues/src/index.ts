import { type Env, Issues } from "./issues";

const text = { type: "string" };
const repository = { owner: text, repo: text };
const TOOLS = [
  {
    name: "list_issues",
    description: "The newest open issues of a repository",
    inputSchema: { type: "object", properties: repository, required: ["owner", "repo"] },
    annotations: { readOnlyHint: true },
  },
  {
    name: "comment",
    description: "Writes a comment under an issue",
    inputSchema: {
      type: "object",
      properties: { ...repository, number: { type: "integer" }, body: text },
      required: ["owner", "repo", "number", "body"],
    },
  },
];

// Arguments are the model's: GitHub's API judges them.
async function call(name: string, args: any, issues: Issues): Promise<string> {
  switch (name) {
    case "list_issues": {
      const found = await issues.list(args.owner, args.repo);
      return found.map(({ number, title, state }) => `#${number} ${title} (${state})`).join("\n");
    }
    case "comment":
      return issues.comment(args.owner, args.repo, args.number, args.body);
    default:
      throw new Error(`no tool ${name}`);
  }
}

async function answer(method: string, params: any, env: Env): Promise<unknown> {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "issues", version: "1.0.0" },
      };
    case "tools/list":
      return { tools: TOOLS };
    case "tools/call":
      try {
        const told = await call(params.name, params.arguments, new Issues(env));
        return { content: [{ type: "text", text: told }] };
      } catch (error) {
        console.error(`${params.name} failed`, error);
        return { content: [{ type: "text", text: String(error) }], isError: true };
      }
    case "ping":
      return {};
    default:
      return undefined;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method, params } = (await request.json()) as { id?: unknown; method: string; params: unknown };
    if (id === undefined) return new Response(null, { status: 202 });
    const result = await answer(method, params, env);
    const error = { code: -32601, message: `no method ${method}` };
    return Response.json(result === undefined ? { jsonrpc: "2.0", id, error } : { jsonrpc: "2.0", id, result });
  },
};
