// What the server asks of a client: forms, samples, roots; inside a call (legacy) and as a result (2026-07-28).

/** The form that asks for one value. */
export const form = (message, name, type = "string") => ({
  message,
  requestedSchema: { type: "object", properties: { [name]: { type } }, required: [name] },
});
const sample = (words) => ({ messages: [{ role: "user", content: { type: "text", text: words } }], maxTokens: 100 });

export const elicit = (params) => ({ method: "elicitation/create", params });
export const createMessage = (words) => ({ method: "sampling/createMessage", params: sample(words) });
export const listRoots = () => ({ method: "roots/list", params: {} });

/** A form with a default for every primitive type (SEP-1034). */
export const DEFAULTS = {
  message: "Look over these fields",
  requestedSchema: {
    type: "object",
    properties: {
      name: { type: "string", description: "Name", default: "John Doe" },
      age: { type: "integer", description: "Age", default: 30 },
      score: { type: "number", description: "Score", default: 95.5 },
      status: { type: "string", description: "Status", enum: ["active", "inactive", "pending"], default: "active" },
      verified: { type: "boolean", description: "Verified", default: true },
    },
    required: [],
  },
};

const titled = (...pairs) => pairs.map(([value, title]) => ({ const: value, title }));

/** A form with every kind of choice (SEP-1330). */
export const CHOICES = {
  message: "Choose",
  requestedSchema: {
    type: "object",
    properties: {
      untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
      titledSingle: { type: "string", oneOf: titled(["value1", "First"], ["value2", "Second"], ["value3", "Third"]) },
      legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
      untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: ["option1", "option2", "option3"] } },
      titledMulti: { type: "array", minItems: 1, maxItems: 3, items: { anyOf: titled(["value1", "First"], ["value2", "Second"], ["value3", "Third"]) } },
    },
    required: [],
  },
};
