// Answers with hundreds of headers, or a few very long ones.
import { serve } from "./mcp.js";

export default serve((row, { id }) => {
  const headers = new Headers({ "Content-Type": "application/json" });
  const [count, value] = row === "many" ? [90, "x"] : [90, "x".repeat(2_000)];
  for (let n = 0; n < count; n++) headers.set(`x-flood-${n}`, value);
  const result = { content: [{ type: "text", text: "flooded" }], resultType: "complete" };
  return new Response(JSON.stringify({ jsonrpc: "2.0", id, result }), { headers });
});
