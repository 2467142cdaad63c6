// A pattern that backtracks for longer than anybody waits.
import { serve } from "./mcp.js";

export default serve(() => /^(a+)+$/.test("a".repeat(60) + "!"));
