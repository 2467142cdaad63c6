// Every one of them is the same address after the runtime has read it.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
