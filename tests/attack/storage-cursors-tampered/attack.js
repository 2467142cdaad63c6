// Its own cursors; as a control they are used as they came.
const changed = {
  first: (text) => (text[0] === "A" ? "B" : "A") + text.slice(1),
  middle: (text) => text.slice(0, 40) + (text[40] === "A" ? "B" : "A") + text.slice(41),
  last: (text) => text.slice(0, -2) + (text.endsWith("AA") ? "BB" : "AA"),
  cut: (text) => text.slice(0, -4),
  longer: (text) => `${text}AAAA`,
  "other-prefix": (text) => `AA${text}`,
  reversed: (text) => [...text].reverse().join(""),
  "empty-like": () => "AA",
  "file-in-keys": (_, files) => files,
};

export default async (row, { env: { NOTES, FILES }, told }) => {
  for (const key of ["own-1", "own-2", "own-3"]) await Promise.all([NOTES.put(key, "own"), FILES.put(key, "own")]);
  const { cursor } = await NOTES.list({ prefix: "own-", limit: 1 });
  const files = (await FILES.list({ prefix: "own-", limit: 1 })).cursor;
  const used = told.control ? cursor : changed[row](cursor, files);
  const page = await NOTES.list({ prefix: "own-", cursor: used });
  return `succeeded ${page.keys.length}`;
};
