// Answers with one event that has no end.
import { serve } from "./mcp.js";

export default serve(() => {
  let begun = false;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(begun ? "x".repeat(65_536) : "data: "));
      begun = true;
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
});
