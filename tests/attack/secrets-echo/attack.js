// The host sends back what it was sent. As a control, the code sends a secret of its own, where none is added.
import { ask } from "./ask.js";

export default (way, { told }) =>
  told.control
    ? ask(`https://vault.example.com/open/echo/${way}`, { headers: { "x-key": told.secret } })
    : ask(`https://vault.example.com/v1/echo/${way}`);
