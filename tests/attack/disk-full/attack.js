// 48 MiB are there. As a control, 4 MiB are written: all of them are acknowledged.
const SIZE = 1 << 20;
const value = (number) => new Uint8Array(SIZE).fill(65 + (number % 26));
const ways = {
  kv: {
    put: ({ NOTES }, number) => NOTES.put(`full-${number}`, value(number)),
    get: async ({ NOTES }, number) => new Uint8Array((await NOTES.get(`full-${number}`, "arrayBuffer")) ?? []),
    free: ({ NOTES }, number) => NOTES.delete(`full-${number}`),
  },
  objects: {
    put: ({ FILES }, number) => FILES.put(`full-${number}`, value(number)),
    get: async ({ FILES }, number) => new Uint8Array((await (await FILES.get(`full-${number}`))?.arrayBuffer()) ?? []),
    free: ({ FILES }, number) => FILES.delete(`full-${number}`),
  },
  sql: {
    async put({ DB }, number) {
      await DB.exec("CREATE TABLE IF NOT EXISTS full (n INTEGER PRIMARY KEY, a BLOB)");
      await DB.prepare("INSERT INTO full VALUES (?, ?)").bind(number, value(number).buffer).run();
    },
    async get({ DB }, number) {
      const row = await DB.prepare("SELECT a FROM full WHERE n = ?").bind(number).first();
      return new Uint8Array(row?.a ?? []);
    },
    free: ({ DB }, number) => DB.prepare("DELETE FROM full WHERE n = ?").bind(number).run(),
  },
};

export default async (row, { env, told }) => {
  const { put, get, free } = ways[row];
  const most = told.control ? 4 : 60;
  let [kept, words] = [0, ""];
  while (kept < most && !words) {
    try {
      await put(env, kept);
      kept += 1;
    } catch (error) {
      words = error.message;
    }
  }
  for (let number = 0; number < kept; number += 1) {
    const bytes = await get(env, number);
    if (bytes.length !== SIZE || bytes[7] !== 65 + (number % 26)) return `succeeded: ${number} of ${kept} was acknowledged and is lost: ${words}`;
  }
  if (words) {
    // Once more, when it is full from the beginning.
    words += await put(env, kept).then(() => " and then it worked", (error) => ` and then ${error.message}`);
    if (!/and then .*(disk|full|space|room)/i.test(words)) return `succeeded: it does not say that the disk is full: ${words}`;
  }
  if (told.control) for (let number = 0; number < kept; number += 1) await free(env, number);
  if (!words) return `succeeded: ${kept} MiB were acknowledged`;
  if (!/disk|full|space|room/i.test(words)) return `succeeded: it does not say that the disk is full: ${words}`;
  return `refused after ${kept} MiB: ${words}`;
};
