// Grows memories of WebAssembly, which no flag of the engine counts.
import { serve, pause } from "./mcp.js";
import module from "./memory.wasm";

const kept = [];

export default serve(async () => {
  for (;;) {
    const { exports } = new WebAssembly.Instance(module);
    exports.m.grow(256);
    new Uint8Array(exports.m.buffer).fill(1);
    kept.push(exports);
    await pause(1);
  }
});
