// Keeps every call waiting, and tells how many wait together.
import { serve, pause } from "./mcp.js";

let waiting = 0;
let most = 0;

export default serve(async () => {
  most = Math.max(most, ++waiting);
  await pause(700);
  waiting--;
  return `together ${most}`;
});
