// Legacy sessions in memory, with events that can be replayed; 2026-07-28 beside them.

import { WebStandardStreamableHTTPServerTransport, createMcpHandler, isLegacyRequest } from "@modelcontextprotocol/server";
import { createServer } from "./server.js";

const MAX_SESSIONS = 1000;
const MAX_EVENTS = 10_000;

/** Serves both eras; `legacy` decides whether older clients get sessions or a server for each request. */
export function serve(legacy) {
  const modern = createMcpHandler(({ era }) => createServer({ modern: era === "modern", changed: modern.notify }), { keepAliveMs: 5000 });
  const sessions = legacy === "sessions" ? new Sessions() : undefined;
  return async (request) => {
    if (!isLocal(request)) return new Response("Forbidden", { status: 403 });
    if (sessions && (await isLegacyRequest(request))) return sessions.handle(request);
    return modern.fetch(request);
  };
}

/** Host and Origin name this machine, else a page of somebody else's is asking (DNS rebinding). */
function isLocal(request) {
  const ours = (host) => ["localhost", "127.0.0.1"].includes(host);
  const origin = request.headers.get("origin");
  return ours(new URL(request.url).hostname) && (origin === null || (URL.canParse(origin) && ours(new URL(origin).hostname)));
}

class Sessions {
  #open = new Map();

  async handle(request) {
    const id = request.headers.get("mcp-session-id");
    if (id === null) return (await this.#begin()).handleRequest(request);
    const transport = this.#open.get(id);
    if (transport) return transport.handleRequest(request);
    return Response.json({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }, { status: 404 });
  }

  async #begin() {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      eventStore: new Events(),
      retryInterval: 500,
      onsessioninitialized: (id) => {
        this.#open.set(id, transport);
        const [oldest] = this.#open.keys();
        if (this.#open.size > MAX_SESSIONS) void this.#open.get(oldest)?.close();
      },
    });
    transport.onclose = () => this.#open.delete(transport.sessionId);
    await (await createServer({ modern: false })).connect(transport);
    return transport;
  }
}

/** The events of one session, in order. */
class Events {
  #events = [];
  #last = 0;

  async storeEvent(stream, message) {
    const id = `${stream}_${++this.#last}`;
    this.#events.push({ id, stream, message });
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#events.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(last, { send }) {
    const at = this.#events.findIndex((event) => event.id === last);
    if (at < 0) return "";
    const { stream } = this.#events[at];
    for (const event of this.#events.slice(at + 1)) {
      if (event.stream === stream && Object.keys(event.message).length > 0) await send(event.id, event.message);
    }
    return stream;
  }
}
