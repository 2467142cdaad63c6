// The variant that keeps nothing between requests.

import { serve } from "./sessions.js";

export default { fetch: serve("stateless") };
