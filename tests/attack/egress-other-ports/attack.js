// The outside listens there.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
