// Asks for what only the machine itself may see.
import { serve } from "./mcp.js";

export default serve(async (row) => {
  const response = await fetch(`http://${row}/secret`, { signal: AbortSignal.timeout(1_500) });
  const text = await response.text();
  return text === "secret" ? `succeeded: ${text}` : `refused ${response.status}`;
});
