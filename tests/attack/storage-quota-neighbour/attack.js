// A tenant may store 8 MiB, a database 2 MiB; both tenants use the same names. `fill` is the one tenant's, `try` the neighbour's.
const PIECE = 1 << 19;
const piece = () => new Uint8Array(PIECE).fill(66);
const ways = {
  values: {
    put: ({ NOTES }, name) => NOTES.put(name, piece()),
    get: async ({ NOTES }, name) => (await NOTES.get(name, "arrayBuffer"))?.byteLength,
    free: ({ NOTES }, name) => NOTES.delete(name),
  },
  objects: {
    put: ({ FILES }, name) => FILES.put(name, piece()),
    get: async ({ FILES }, name) => (await FILES.head(name))?.size,
    free: ({ FILES }, name) => FILES.delete(name),
  },
  sql: {
    async put({ DB }, name) {
      await DB.exec("CREATE TABLE IF NOT EXISTS filled (name TEXT PRIMARY KEY, a BLOB)");
      await DB.prepare("INSERT INTO filled VALUES (?, ?)").bind(name, piece().buffer).run();
    },
    get: async ({ DB }, name) => (await DB.prepare("SELECT length(a) AS size FROM filled WHERE name = ?").bind(name).first())?.size,
    free: ({ DB }, name) => DB.prepare("DELETE FROM filled WHERE name = ?").bind(name).run(),
  },
};
const names = Array.from({ length: 24 }, (_, number) => `filled-${number}`);

export default async (row, { env, told }) => {
  const { put, get, free } = ways[row];
  if (told.step === "fill") {
    for (const name of names) {
      try {
        await put(env, name);
      } catch (error) {
        // The names that the neighbour's storage might have are none of its own: it stays full.
        const stolen = await Promise.allSettled([`../${told.tenant}/a`, `/${told.tenant}/shared/a`, `${told.tenant}:a`].map((other) => put(env, other)));
        if (stolen.some(({ status }) => status === "fulfilled")) return `not filled: there was room by another name after ${error.message}`;
        return `filled: ${error.message}`;
      }
    }
    return "not filled: everything was stored";
  }
  if (told.step === "free") {
    for (const name of names) await free(env, name);
    return "freed";
  }
  try {
    await put(env, "tried");
    const size = await get(env, "tried");
    await free(env, "tried");
    return size === PIECE ? "refused: the neighbour writes as before" : `succeeded: the neighbour reads ${size} bytes`;
  } catch (error) {
    return `succeeded: the neighbour cannot write: ${error.message}`;
  }
};
