// The variant whose every request goes to one Durable Object, which has the sessions in its memory.

import { DurableObject } from "cloudflare:workers";
import { serve } from "./sessions.js";

export class Everything extends DurableObject {
  #handle = serve("sessions");

  fetch(request) {
    return this.#handle(request);
  }
}

export default {
  fetch: (request, env) => env.EVERYTHING.get(env.EVERYTHING.idFromName("one")).fetch(request),
};
