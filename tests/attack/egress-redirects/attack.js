// The first hop is allowed.
import { ask } from "./ask.js";

export default async (row) => {
  const [code, to] = row.split(" ");
  return ask(`http://api.example.com:8080/redirect/${code}?to=${encodeURIComponent(to)}`);
};
