// As the neighbour, whose file it is; that the attacker's own goes on is what all other cases of the disk see.
const ways = {
  kv: ({ NOTES }) => NOTES.get("kept"),
  list: async ({ NOTES }) => (await NOTES.list()).keys.length || null,
  objects: async ({ FILES }) => (await FILES.get("kept"))?.text(),
};

export default async (row, { env }) => {
  if (row === "plant") return "planted";
  const { n } = await env.DB.prepare("SELECT count(*) AS n FROM kept").first();
  if (n !== 1) throw new Error("the database beside is harmed");
  const told = await ways[row](env);
  return `${told ? "succeeded" : "refused"} ${told}`;
};
