// `harmed` has 300,007 bytes, and nothing else has about as many.
const SIZES = { harmed: 300_007, swapped: 100_001, layout: 100_001, source: 100_001, whole: 100_001 };

export default async (row, { env: { FILES } }) => {
  if (row === "plant") {
    for (const [key, size] of Object.entries(SIZES)) await FILES.put(key, new Uint8Array(size).fill(key.charCodeAt(0)));
    return "planted";
  }
  const whole = await (await FILES.get("whole")).text();
  if (whole.length !== SIZES.whole || !whole.startsWith("www")) throw new Error("another object is harmed");
  const object = await FILES.get(row);
  const text = object === null ? "" : await object.text();
  return `${text.length === 0 ? "refused" : "succeeded"} ${text.slice(0, 20)} ${text.length}`;
};
