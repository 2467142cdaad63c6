// Loops before it listens.
import { serve } from "./mcp.js";

for (;;);

export default serve(() => "never");
