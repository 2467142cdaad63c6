// Answers with four megabytes, as one text or as one event.
import { serve } from "./mcp.js";

const text = "x".repeat(4 << 20);

export default serve((row, { id }) => {
  if (row === "json") return text;
  const result = { content: [{ type: "text", text }], resultType: "complete" };
  const event = `data: ${JSON.stringify({ jsonrpc: "2.0", id, result })}\n\n`;
  return new Response(event, { headers: { "Content-Type": "text/event-stream" } });
});
