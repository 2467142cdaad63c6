// Success is any value at all under a key that was harmed, or none under one that was not.
const KEYS = ["swapped", "metadata", "other-tenant", "flipped", "cut", "longer", "empty", "source", "whole"];

export default async (row, { env: { NOTES } }) => {
  if (row === "plant") {
    for (const key of KEYS) await NOTES.put(key, `value of ${key} `.repeat(20), { metadata: { of: key } });
    return "planted";
  }
  const whole = await NOTES.getWithMetadata("whole");
  if (!whole.value?.startsWith("value of whole") || whole.metadata.of !== "whole") throw new Error("another value is harmed");
  const { value, metadata } = await NOTES.getWithMetadata(row);
  return `${value === null ? "refused" : "succeeded"} ${value} ${JSON.stringify(metadata)}`;
};
