// Resources and prompts that the suite asks for, and the smallest pictures and sounds.

export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
export const SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

export const RESOURCES = [
  { uri: "test://static-text", name: "static-text", mimeType: "text/plain" },
  { uri: "test://static-binary", name: "static-binary", mimeType: "image/png" },
  { uri: "test://watched-resource", name: "watched-resource", mimeType: "text/plain" },
];
export const TEMPLATES = [{ uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" }];

/** What stands at a URI, or nothing. */
export function read(uri) {
  if (uri === "test://static-text") return { uri, mimeType: "text/plain", text: "The text of the static resource." };
  if (uri === "test://static-binary") return { uri, mimeType: "image/png", blob: PIXEL };
  if (uri === "test://watched-resource") return { uri, mimeType: "text/plain", text: "What is watched." };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  return { uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data of ${id}` }) };
}

const says = (content) => ({ messages: [{ role: "user", content }] });
const text = (words) => ({ type: "text", text: words });
const required = (...names) => names.map((name) => ({ name, description: `The ${name}`, required: true }));

/** Each prompt: what a list says of it, and what it becomes. */
export const PROMPTS = {
  test_simple_prompt: { get: () => says(text("This is a simple prompt.")) },
  test_prompt_with_arguments: {
    arguments: required("arg1", "arg2"),
    get: ({ arg1, arg2 }) => says(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  },
  test_prompt_with_embedded_resource: {
    arguments: required("resourceUri"),
    get: ({ resourceUri: uri }) => ({
      messages: [
        { role: "user", content: { type: "resource", resource: { uri, mimeType: "text/plain", text: "What is embedded." } } },
        { role: "user", content: text("Look at the resource above.") },
      ],
    }),
  },
  test_prompt_with_image: {
    get: () => ({
      messages: [
        { role: "user", content: { type: "image", data: PIXEL, mimeType: "image/png" } },
        { role: "user", content: text("Look at the picture above.") },
      ],
    }),
  },
};
