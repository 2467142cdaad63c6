// Operations a second: the same loop inside one call, on one side and then on the other, in turns.

import { table } from "./table.mjs";

const OPERATIONS = [["KV put", "kv", "kvPut"], ["KV get", "kv", "kvGet"], ["D1 query", "d1", "d1Query"]];
/** A call of ours may do 1000 operations on storage; this leaves room for what prepares them. */
const TIMES = 500;

/** Measures each operation in so many rounds, the side that goes first changing with each. */
export async function count(sides, servers, { rounds }) {
  const rows = [];
  for (const [name, capability, operation] of OPERATIONS) {
    const refused = servers[capability]?.refused;
    if (servers[capability] === undefined || refused !== undefined) {
      rows.push([name, "not run", "", "", "", "", ""]);
      continue;
    }
    const rates = [[], []];
    for (let round = -1; round < rounds; round += 1) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const began = performance.now();
        await sides[at].call(capability, "loop", { operation, times: TIMES });
        // The first round warms up.
        if (round >= 0) rates[at].push((TIMES * 1000) / (performance.now() - began));
      }
    }
    const [ours, theirs] = rates.map((list) => list.sort((a, b) => a - b));
    const middle = (list) => list[Math.floor(list.length / 2)];
    const span = (list) => `${list[0].toFixed(0)}\u2013${list.at(-1).toFixed(0)}`;
    rows.push([name, rounds * TIMES, middle(ours).toFixed(0), span(ours), middle(theirs).toFixed(0), span(theirs), (middle(ours) / middle(theirs)).toFixed(2)]);
  }
  table(["operation", "times>", "platform/s>", "slowest\u2013fastest>", "miniflare/s>", "slowest\u2013fastest>", "ratio>"], rows);
}
