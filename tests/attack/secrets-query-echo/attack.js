// A secret in the query.
import { ask } from "./ask.js";

export default (way, { told }) =>
  told.control
    ? ask(`https://vault.example.com/open/echo/${way}?key=${encodeURIComponent(told.secret)}`)
    : ask(`https://vault.example.com/query/echo/${way}`);
