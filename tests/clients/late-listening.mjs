// A preload for Node: a client opens its GET stream only after it has called the tool that MCP_LISTEN_AFTER names, so that
// what the server asks in that call is asked before somebody listens.

const tool = process.env.MCP_LISTEN_AFTER;
const LATER_MS = 300;

if (tool) {
  let called;
  const call = new Promise((resolve) => (called = resolve));
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const listens = init?.method === "GET" && headers.has("mcp-session-id");
    if (listens && !headers.has("last-event-id")) await call;
    else if (typeof init?.body === "string" && init.body.includes(`"name":"${tool}"`)) setTimeout(called, LATER_MS);
    return fetch(input, init);
  };
}
