// The good one, 45.67.89.9, does not answer: whoever tries the next address comes to the bad one.
import { ask } from "./ask.js";

export default async (row) => {
  const told = await Promise.allSettled([1, 2, 3].map(() => ask(`http://${row}/`)));
  return told.map(({ value, reason }) => String(value ?? reason).slice(0, 80)).join(" | ");
};
