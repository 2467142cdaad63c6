// The variant with sessions in the memory of its isolate.

import { serve } from "./sessions.js";

export default { fetch: serve("sessions") };
