// What a client sees: seven tools, a prompt, a resource and a resource template over one notebook.

import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import * as z from "zod";
import { Notebook, type Note } from "./notebook.js";

/** Set by `[vars]` in smcp.toml. */
export interface Env {
  GREETING: string;
}

const title = z.string().min(1).max(120).describe("One line");
const body = z.string().max(10_000).describe("The note itself");
const noteShape = { id: z.number().int(), title: z.string(), text: z.string() };

export function createServer(env: Env): McpServer {
  const server = new McpServer(
    { name: "notes", title: "Notebook", version: "1.0.0" },
    { instructions: "A notebook that lives as long as your session. Add notes, then list or search them." },
  );
  const notebook = new Notebook();

  addTools(server, notebook, env);
  addNoteTools(server, notebook);
  addContext(server, notebook);
  return server;
}

/** Tools that only compute or only read. */
function addTools(server: McpServer, notebook: Notebook, env: Env): void {
  server.registerTool(
    "greet",
    {
      title: "Greet",
      description: "Greets somebody by name.",
      inputSchema: { name: z.string().min(1).max(100) },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ name }) => say(`${env.GREETING}, ${name}!`),
  );

  server.registerTool(
    "count_words",
    {
      title: "Count words",
      description: "Counts the words and characters of a text.",
      inputSchema: { text: z.string().max(100_000) },
      outputSchema: { words: z.number().int(), characters: z.number().int() },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ text }) => {
      const words = text.split(/\s+/).filter(Boolean).length;
      const characters = [...text].length;
      return { ...say(`${words} words, ${characters} characters`), structuredContent: { words, characters } };
    },
  );

  server.registerTool(
    "list_notes",
    {
      title: "List notes",
      description: "Lists every note, oldest first.",
      outputSchema: { notes: z.array(z.object(noteShape)) },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    () => found(notebook.all()),
  );

  server.registerTool(
    "search_notes",
    {
      title: "Search notes",
      description: "Finds the notes whose title or text contains a phrase, in any case.",
      inputSchema: { query: z.string().min(1).max(200) },
      outputSchema: { notes: z.array(z.object(noteShape)) },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ query }) => found(notebook.search(query)),
  );
}

/** Tools that change the notebook. */
function addNoteTools(server: McpServer, notebook: Notebook): void {
  server.registerTool(
    "add_note",
    {
      title: "Add a note",
      description: "Writes a note and answers with its number.",
      inputSchema: { title, text: body },
      outputSchema: noteShape,
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ title, text }) => {
      const note = notebook.add(title, text);
      return { ...say(`Saved note ${note.id}: ${note.title}`), structuredContent: { ...note } };
    },
  );

  server.registerTool(
    "import_notes",
    {
      title: "Import notes",
      description: "Writes many notes at once and reports progress after each.",
      inputSchema: { notes: z.array(z.object({ title, text: body })).min(1).max(100) },
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    async ({ notes }, { _meta, sendNotification }) => {
      for (const [index, { title, text }] of notes.entries()) {
        const note = notebook.add(title, text);
        // A client that wants to hear about progress sends a token with its call.
        if (_meta?.progressToken !== undefined) {
          await sendNotification({
            method: "notifications/progress",
            params: {
              progressToken: _meta.progressToken,
              progress: index + 1,
              total: notes.length,
              message: `Saved note ${note.id}: ${note.title}`,
            },
          });
        }
      }
      return say(`Imported ${notes.length} notes`);
    },
  );

  server.registerTool(
    "delete_note",
    {
      title: "Delete a note",
      description: "Deletes a note by its number.",
      inputSchema: { id: z.number().int().positive() },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
    },
    ({ id }) => {
      const note = notebook.delete(id);
      return note ? say(`Deleted note ${id}: ${note.title}`) : { ...say(`There is no note ${id}`), isError: true };
    },
  );
}

/** Notes as resources, and a prompt that uses them. */
function addContext(server: McpServer, notebook: Notebook): void {
  server.registerResource(
    "all-notes",
    "notes://all",
    { title: "All notes", description: "Every note as Markdown.", mimeType: "text/markdown" },
    (uri) => ({
      contents: [{ uri: uri.href, mimeType: "text/markdown", text: markdown(notebook.all()) }],
    }),
  );

  server.registerResource(
    "note",
    new ResourceTemplate("notes://note/{id}", { list: undefined }),
    { title: "One note", description: "A note by its number, as Markdown.", mimeType: "text/markdown" },
    (uri, { id }) => {
      const note = notebook.get(Number(id));
      if (!note) throw new Error(`There is no note ${id}`);
      return { contents: [{ uri: uri.href, mimeType: "text/markdown", text: markdown([note]) }] };
    },
  );

  server.registerPrompt(
    "summarise_notes",
    {
      title: "Summarise my notes",
      description: "Asks for a summary of everything in the notebook.",
      argsSchema: { language: z.string().max(40).optional().describe("Language of the summary; English if left out") },
    },
    ({ language }) => ({
      messages: [
        {
          role: "user",
          content: {
            type: "text",
            text: `Summarise these notes in ${language ?? "English"}, at most five lines:\n\n${markdown(notebook.all())}`,
          },
        },
      ],
    }),
  );
}

function say(text: string) {
  return { content: [{ type: "text" as const, text }] };
}

function found(notes: readonly Note[]) {
  const lines = notes.map((note) => `${note.id}. ${note.title}`);
  return { ...say(lines.join("\n") || "No notes"), structuredContent: { notes: [...notes] } };
}

function markdown(notes: readonly Note[]): string {
  return notes.map((note) => `## ${note.title}\n\n${note.text}\n`).join("\n");
}
