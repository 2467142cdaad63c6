// Answers with notifications without end: each is complete, because one that is not is passed on to nobody.
import { serve } from "./mcp.js";

const params = { level: "info", data: "x".repeat(65_536) };
const event = `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params })}\n\n`;

export default serve(() => {
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(event));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
});
