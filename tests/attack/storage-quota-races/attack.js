// A tenant may store 8 MiB. What was acknowledged is read again, and so is what was not.
const SIZE = 1 << 19;
const MANY = 24;
// One for all: what the process itself holds is not what this is about.
const value = new Uint8Array(SIZE).fill(65);
const values = {
  put: ({ NOTES }, number) => NOTES.put(`race-${number}`, value),
  get: async ({ NOTES }, number) => (await NOTES.get(`race-${number}`, "arrayBuffer")) ?? undefined,
  free: ({ NOTES }, number) => NOTES.delete(`race-${number}`),
};
const objects = {
  put: ({ FILES }, number) => FILES.put(`race-${number}`, value),
  get: async ({ FILES }, number) => (await FILES.get(`race-${number}`))?.arrayBuffer(),
  free: ({ FILES }, number) => FILES.delete(`race-${number}`),
};
const uploads = {
  ...objects,
  async put({ FILES }, number) {
    const upload = await FILES.createMultipartUpload(`race-${number}`);
    try {
      await upload.complete([await upload.uploadPart(1, value)]);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  },
};
const all = [values, objects, uploads];
const mixed = (what) => (env, number) => all[number % 3][what](env, number);
const together = { put: mixed("put"), get: mixed("get"), free: mixed("free") };
// Once more after a first one, so that most keys are replaced while others are new.
const again = { ...together, put: async (env, number) => [await together.put(env, number >> 2), await together.put(env, number)] };
const ways = { values, objects, uploads, together, again };

export default async (row, { env }) => {
  const { put, get, free } = ways[row];
  const numbers = Array.from({ length: MANY }, (_, number) => number);
  const tried = await Promise.allSettled(numbers.map((number) => put(env, number)));
  const words = [...new Set(tried.map(({ reason }) => reason?.message).filter(Boolean))];
  let [kept, lost] = [0, 0];
  for (const number of numbers) {
    const bytes = new Uint8Array((await get(env, number)) ?? []);
    kept += bytes.length;
    if (tried[number].status === "fulfilled" && (bytes.length !== SIZE || bytes[7] !== 65)) lost += 1;
  }
  for (const number of numbers) await free(env, number);
  if (lost) return `succeeded: kept ${kept}, and ${lost} that were acknowledged are lost: ${words.join("; ")}`;
  if (words.length && !words.some((word) => word.includes("storage.tenant_mb"))) return `succeeded: kept ${kept}, and no setting is named: ${words.join("; ")}`;
  return `kept ${kept}: ${words.join("; ")}`;
};
