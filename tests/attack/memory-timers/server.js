// As many timers as one call may have, each with something to hold, in many calls.
import { serve, pause } from "./mcp.js";

export default serve(async () => {
  for (let n = 0; n < 9_900; n++) {
    const held = new Uint8Array(4_096).fill(1);
    setInterval(() => held, 60_000);
  }
  await pause(60_000);
});
