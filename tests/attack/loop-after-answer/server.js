// Answers at once, and loops in what may go on after the answer.
import { serve, pause } from "./mcp.js";

export default serve((_, { ctx }) => {
  ctx.waitUntil(
    pause(10).then(() => {
      for (;;);
    }),
  );
  return "see you";
});
