// An answer is remembered for five seconds at least, whatever its time to live; then the name server has changed its mind.
import { ask } from "./ask.js";
import { pause } from "./mcp.js";

const INSIDE = ["7f000001", "0a000001", "c0a80001", "64400001", "00000000000000000000000000000001"];
const all = () =>
  Promise.all(INSIDE.map((inside) => ask(`http://2d43590a-${inside}.turn.example.com:8080/`).catch((error) => error.message)));

export default async () => {
  const first = [...(await all()), ...(await all())];
  await pause(5_300);
  return [...(await all()), ...first].map((told) => told.slice(0, 90)).join(" | ");
};
