// What the code never had it cannot write.
const ways = {
  log: (text) => console.log(`told ${text}`),
  error: (text) => console.error({ text }),
  table: (text) => console.table([[text]]),
  exception: (text) => {
    throw new Error(text);
  },
  rejection: (text) => Promise.reject(new TypeError(`no ${text}`)),
};

export default async (row, { told }) => {
  const [place, init] = told.control ? ["open", { headers: { "x-key": told.secret } }] : ["v1", {}];
  const text = await (await fetch(`https://vault.example.com/${place}/echo/raw`, init)).text();
  await ways[row](text);
  return "written";
};
