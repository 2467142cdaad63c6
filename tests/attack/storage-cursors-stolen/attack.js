// An attacker has learnt the cursors of the neighbour's lists.
const ways = {
  keys: ({ NOTES }, { keys }) => NOTES.list({ cursor: keys, limit: 2 }),
  "keys-whole": ({ NOTES }, { keys }) => NOTES.list({ cursor: keys }),
  files: ({ FILES }, { files }) => FILES.list({ cursor: files, include: ["customMetadata"] }),
};

export default async (row, { env, told }) => JSON.stringify(await ways[row](env, told.stolen));
