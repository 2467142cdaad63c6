// One call into native code that takes very long.
import { serve } from "./mcp.js";
import { pbkdf2Sync, scryptSync } from "node:crypto";

const computations = {
  pbkdf2() {
    for (;;) pbkdf2Sync("password", "salt", 100_000, 64, "sha512");
  },
  digest() {
    for (;;) scryptSync("password", "salt", 64, { N: 16_384 });
  },
};

export default serve((row) => computations[row]());
