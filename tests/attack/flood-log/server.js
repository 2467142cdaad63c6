// Prints as much as it can.
import { serve, pause } from "./mcp.js";

export default serve(async () => {
  const line = "x".repeat(1_000);
  for (let n = 0; n < 1_000; n++) {
    console.log(line);
    if (n % 50 === 0) await pause(1);
  }
  return "printed";
});
