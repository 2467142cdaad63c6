// Loops that never give control back, each of another kind.
import { serve } from "./mcp.js";

const loops = {
  while() {
    for (;;);
  },
  sort() {
    for (;;) Array.from({ length: 100_000 }, Math.random).sort();
  },
  json() {
    const text = JSON.stringify(Array.from({ length: 100_000 }, () => ({ a: [1, 2, 3] })));
    for (;;) JSON.parse(text);
  },
};

export default serve((row) => loops[row]());
