// A database may have 2 MiB.
const SIZE = 256 << 10;
const MANY = 32;
const ways = {
  rows: ({ DB }, number) => DB.prepare("INSERT INTO race VALUES (?, randomblob(?))").bind(number, SIZE).run(),
  batches({ DB }, number) {
    const insert = DB.prepare("INSERT INTO race VALUES (?, randomblob(?))");
    return DB.batch([0, 1, 2, 3].map((part) => insert.bind(4 * number + part, SIZE)));
  },
  async growth({ DB }, number) {
    await DB.prepare("INSERT INTO race VALUES (?, x'00')").bind(number).run();
    await DB.prepare("UPDATE race SET a = randomblob(?) WHERE n = ?").bind(SIZE, number).run();
  },
};

export default async (row, { env }) => {
  await env.DB.exec("DROP TABLE IF EXISTS race");
  await env.DB.exec("CREATE TABLE race (n INTEGER PRIMARY KEY, a BLOB)");
  const tried = await Promise.allSettled(Array.from({ length: MANY }, (_, number) => ways[row](env, number)));
  const words = [...new Set(tried.map(({ reason }) => reason?.message).filter(Boolean))];
  const { kept } = await env.DB.prepare("SELECT coalesce(sum(length(a)), 0) AS kept FROM race").first();
  await env.DB.exec("DROP TABLE race");
  if (words.length && !words.some((word) => word.includes("storage.database_mb"))) return `succeeded: kept ${kept}, and no setting is named: ${words.join("; ")}`;
  return `kept ${kept}: ${words.join("; ")}`;
};
