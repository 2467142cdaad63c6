// These addresses no operator can open.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
