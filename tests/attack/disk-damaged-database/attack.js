// Success is an answer from a damaged file.
export default async (row, { env: { DB, NOTES } }) => {
  if (row === "plant") {
    await NOTES.put("beside-database", "whole");
    await DB.exec("CREATE TABLE IF NOT EXISTS damaged (a TEXT)");
    await DB.prepare("INSERT INTO damaged SELECT hex(randomblob(900)) FROM json_each('[1,2,3,4,5,6,7,8,9]')").run();
    return "planted";
  }
  if ((await NOTES.get("beside-database")) !== "whole") throw new Error("KV is harmed");
  const { n } = await DB.prepare("SELECT count(*) AS n, sum(length(a)) AS l FROM damaged").first();
  return `succeeded ${n}`;
};
