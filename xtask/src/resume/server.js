// One tool that answers bit by bit, and notes each time it is carried out: in storage that outlives every process.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const tool = (name) => ({ name, inputSchema: { type: "object" } });

async function runs(env) {
  const counts = {};
  let cursor;
  do {
    const page = await env.RUNS.list({ cursor });
    for (const { name } of page.keys) {
      const call = name.split("/")[0];
      counts[call] = (counts[call] ?? 0) + 1;
    }
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor);
  return JSON.stringify(counts);
}

async function work(writer, env, id, { n, steps, bytes }) {
  const encoder = new TextEncoder();
  const send = (message) =>
    writer.write(encoder.encode(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`));
  try {
    await env.RUNS.put(`${n}/${crypto.randomUUID()}`, "1");
    for (let step = 1; step <= steps; step++) {
      const params = { progressToken: n, progress: step, total: steps, message: "x".repeat(bytes) };
      await send({ method: "notifications/progress", params });
      await pause(5);
    }
    await send({ id, result: { content: [{ type: "text", text: `done ${n} ${"y".repeat(bytes)}` }] } });
  } finally {
    await writer.close().catch(() => {});
  }
}

export default {
  async fetch(request, env, context) {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method, params } = await request.json();
    const answer = (result, headers = {}) => Response.json({ jsonrpc: "2.0", id, result }, { headers });
    if (method === "initialize") {
      const serverInfo = { name: "resumed", version: "1" };
      const result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo };
      return answer(result, { "mcp-session-id": crypto.randomUUID() });
    }
    if (method === "tools/list") return answer({ tools: [tool("work"), tool("runs")] });
    if (method !== "tools/call") return new Response(null, { status: 202 });
    if (params.name === "runs") return answer({ content: [{ type: "text", text: await runs(env) }] });
    const { readable, writable } = new TransformStream();
    context.waitUntil(work(writable.getWriter(), env, id, params.arguments));
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  },
};
