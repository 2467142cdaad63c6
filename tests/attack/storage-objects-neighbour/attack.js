// Both manifests name the bucket `shared`.
const text = async (object) => (object === null ? "nothing" : `${await object.text()} ${JSON.stringify(object.customMetadata)}`);
const ways = {
  get: async ({ FILES }) => text(await FILES.get("kept")),
  head: async ({ FILES }) => JSON.stringify((await FILES.head("a/kept"))?.customMetadata),
  range: async ({ FILES }) => text(await FILES.get("kept", { range: { offset: 0, length: 100 } })),
  list: async ({ FILES }) => JSON.stringify((await FILES.list({ include: ["customMetadata"] })).objects.map((one) => one.customMetadata)),
  condition: async ({ FILES }) => text(await FILES.get("kept", { onlyIf: { uploadedBefore: new Date(Date.now() + 60_000) } })),
  async paths({ FILES }, { tenant }) {
    const keys = [`../${tenant}/shared/kept`, `%2e%2e/${tenant}/shared/kept`, `/${tenant}/shared/kept`, `${tenant}\u0000kept`, "./kept", "a/../kept", "kept"];
    const told = await Promise.allSettled(keys.map(async (key) => text(await FILES.get(key))));
    return told.map(({ value, reason }) => value ?? reason?.message).join("|");
  },
};

export default (row, { env, told }) => ways[row](env, told.stolen);
