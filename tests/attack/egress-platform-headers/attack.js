// By an address that the manifest allows, so that a bare runtime finds it as well.
import { ask } from "./ask.js";

export default (row) => ask("http://45.67.89.11:8080/headers", { headers: { [row]: "forged-by-hosted-code" } });
