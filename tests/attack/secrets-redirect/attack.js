// The host answers with a redirect to another host, and the secret in its address.
import { ask } from "./ask.js";

export default (way, { told }) =>
  told.control
    ? ask(`https://vault.example.com/open/echo/${way}`, { headers: { "x-key": told.secret } })
    : ask(`https://vault.example.com/v1/echo/${way}`);
