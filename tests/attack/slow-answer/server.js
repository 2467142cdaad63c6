// Does not answer, or not to its end.
import { serve, pause } from "./mcp.js";

const notification = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "still here" } };
const words = { spaces: " ", comments: ": still here\n\n", events: `data: ${JSON.stringify(notification)}\n\n` };

export default serve(async (row) => {
  if (row === "nothing") await pause(60_000);
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      await pause(100);
      controller.enqueue(encoder.encode(words[row]));
    },
  });
  const type = row === "spaces" ? "application/json" : "text/event-stream";
  return new Response(body, { headers: { "Content-Type": type } });
});
