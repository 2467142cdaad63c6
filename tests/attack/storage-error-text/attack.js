// As a control, an error such as a careless platform would give.
const tries = {
  kv: ({ NOTES }, stolen) => [
    () => NOTES.get("x".repeat(600)), () => NOTES.get(".."), () => NOTES.put("k", "v", { expirationTtl: 1 }),
    () => NOTES.list({ cursor: stolen.keys }), () => NOTES.put("k", "v", { metadata: "x".repeat(3000) }), () => NOTES.list({ limit: 0 }),
    () => NOTES.put("k", new Uint8Array(26 << 20)),
  ],
  objects: ({ FILES }, stolen) => [
    () => FILES.get("x".repeat(2000)), () => FILES.list({ cursor: stolen.files }), () => FILES.list({ limit: 100_000 }),
    () => FILES.resumeMultipartUpload("big", stolen.upload).uploadPart(1, "x"), () => FILES.put("k", "v", { md5: "00" }),
    () => FILES.resumeMultipartUpload("big", "nonsense").complete([]), () => FILES.get("k", { range: { offset: 1 << 30 } }),
  ],
  sql: ({ DB }) => [
    () => DB.prepare("SELECT * FROM kept").all(), () => DB.prepare("ATTACH 'x' AS y").all(), () => DB.prepare("NONSENSE").all(),
    () => DB.prepare("SELECT ?").bind({}).all(), () => DB.exec("SELECT * FROM nowhere"), () => DB.prepare("SELECT load_extension('x')").all(),
  ],
  "objects-of-state": ({ KEEPER }, stolen) => [
    () => KEEPER.idFromString(stolen.object), () => KEEPER.idFromString("zz"), () => KEEPER.get(KEEPER.newUniqueId()).nothing(),
  ],
};

export default async (row, { env, told }) => {
  const { stolen, control } = told;
  const texts = control ? [`cannot open /data/tenants/${stolen.tenant}/data.db`] : [];
  for (const attempt of control ? [] : tries[row](env, stolen)) {
    try {
      await attempt();
    } catch (error) {
      texts.push(`${error.message} ${error.stack} ${error.cause ?? ""}`);
    }
  }
  const all = texts.join(" | ");
  const telling = [stolen.tenant, "neighbour", "/tenants/", "/tmp/", "data.db", ".sqlite", "canary"];
  const word = telling.find((word) => all.includes(word));
  return word ? `succeeded ${word} in ${all}` : `refused ${all.length} characters of errors`;
};
