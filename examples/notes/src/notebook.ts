// The notebook itself: plain data, no MCP in it.

export interface Note {
  id: number;
  title: string;
  text: string;
}

/** At most this many notes are kept, so that one visitor cannot fill the isolate's memory. */
export const MAX_NOTES = 200;

export class Notebook {
  #notes: Note[] = [];
  #nextId = 1;

  add(title: string, text: string): Note {
    if (this.#notes.length >= MAX_NOTES) {
      throw new Error(`The notebook is full (${MAX_NOTES} notes). Delete one first.`);
    }
    const note = { id: this.#nextId++, title, text };
    this.#notes.push(note);
    return note;
  }

  all(): readonly Note[] {
    return this.#notes;
  }

  get(id: number): Note | undefined {
    return this.#notes.find((note) => note.id === id);
  }

  search(query: string): Note[] {
    const wanted = query.toLowerCase();
    return this.#notes.filter((note) => `${note.title}\n${note.text}`.toLowerCase().includes(wanted));
  }

  delete(id: number): Note | undefined {
    const index = this.#notes.findIndex((note) => note.id === id);
    return index < 0 ? undefined : this.#notes.splice(index, 1)[0];
  }
}
