// Fills the buffers of streams that nobody reads.
import { serve, pause } from "./mcp.js";

const kept = [];

export default serve(async () => {
  for (;;) {
    const { readable, writable } = new TransformStream({}, { highWaterMark: 1e9 }, { highWaterMark: 1e9 });
    const writer = writable.getWriter();
    for (let n = 0; n < 8; n++) writer.write(new Uint8Array(1 << 20).fill(n));
    kept.push(readable, writer);
    await pause(1);
  }
});
