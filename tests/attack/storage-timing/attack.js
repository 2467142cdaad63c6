// `heavy` is of the neighbour, `light` is nobody's. Taken in turns, so that other work disturbs both. The tolerance is a
// factor of two, three times in a row; whoever owns it sees a factor of several.
const ROUNDS = 12;
const TIMES = 10;
const ways = {
  kv: ({ NOTES }, key) => NOTES.get(key, "arrayBuffer"),
  objects: async ({ FILES }, key) => (await FILES.get(key))?.arrayBuffer(),
};

async function measured(get) {
  const took = { heavy: [], light: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const key of ["heavy", "light"]) {
      const began = performance.now();
      for (let time = 0; time < TIMES; time += 1) await get(key);
      took[key].push(performance.now() - began);
    }
  }
  const most = (all) => all.sort((a, b) => a - b).slice(0, ROUNDS - 3).reduce((sum, one) => sum + one, 1);
  return [most(took.heavy), most(took.light)];
}

export default async (row, { env }) => {
  for (let again = 0; again < 3; again += 1) {
    const [heavy, light] = await measured((key) => ways[row](env, key));
    const told = `${heavy.toFixed(0)} ms and ${light.toFixed(0)} ms`;
    if (heavy < 2 * light) return `refused ${told}`;
    if (again === 2) return `succeeded ${told}`;
  }
};
