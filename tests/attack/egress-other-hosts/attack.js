// Hosts that look like allowed ones.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
