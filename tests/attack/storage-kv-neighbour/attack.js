// Both manifests name the namespace `shared`.
const spellings = (tenant) => [
  `../${tenant}/shared/kept`, `..%2f${tenant}%2fshared%2fkept`, `%2e%2e/${tenant}/shared/kept`, `/${tenant}/shared/kept`,
  `${tenant}/shared/kept`, `${tenant}\u0000shared\u0000kept`, `kept\u0000`, "\u212Aept", `shared:kept`, `\\..\\${tenant}\\kept`,
  "kept?tenant=neighbour", "kept#", "kept",
];
const ways = {
  get: ({ NOTES }) => NOTES.get("kept"),
  metadata: async ({ NOTES }) => JSON.stringify(await NOTES.getWithMetadata("a/kept")),
  list: async ({ NOTES }) => JSON.stringify(await NOTES.list()),
  prefix: async ({ NOTES }) => JSON.stringify(await NOTES.list({ prefix: "kept" })),
  bulk: async ({ NOTES }) => JSON.stringify([...(await NOTES.get(["kept", "a/kept", "é"]))]),
  "bulk-metadata": async ({ NOTES }) => JSON.stringify([...(await NOTES.getWithMetadata(["kept", "é"]))]),
  async paths({ NOTES }, { tenant }) {
    const told = await Promise.allSettled(spellings(tenant).map((key) => NOTES.get(key)));
    return told.map(({ value, reason }) => value ?? reason?.message).join("|");
  },
};

export default (row, { env, told }) => ways[row](env, told.stolen);
