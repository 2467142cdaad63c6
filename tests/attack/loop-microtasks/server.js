// Microtasks that follow each other without end: no timer, no socket is ever looked at again.
import { serve } from "./mcp.js";

export default serve(async () => {
  for (;;) await null;
});
