// Loops in a timer, when the call that set it waits.
import { serve, pause } from "./mcp.js";

export default serve(async () => {
  setTimeout(() => {
    for (;;);
  }, 10);
  await pause(60_000);
});
