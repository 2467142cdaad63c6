// Both have the same value here; the row still says whose it is.
import { ask } from "./ask.js";

export default async (row) => {
  if (row === "plant") return "planted";
  const other = await ask("https://vault.example.com/query/x");
  if (!other.startsWith("200 ")) throw new Error(`the other secret is harmed: ${other}`);
  return ask("https://vault.example.com/v1/swapped");
};
