// Fills the heap of the engine with what cannot be freed.
import { serve, pause } from "./mcp.js";

const kept = [];
const filling = {
  objects: (n) => Array.from({ length: 50_000 }, (_, i) => ({ n, i })),
  arrays: () => new Array(1 << 18).fill(0.5),
  strings: (n) => Array.from({ length: 2_000 }, (_, i) => `${n}-${i}-`.padEnd(1_024, String(Math.random()))),
};

export default serve(async (row) => {
  for (let n = 0; ; n++) {
    kept.push(filling[row](n));
    if (n % 20 === 0) await pause(1);
  }
});
