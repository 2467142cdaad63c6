// The skills extension (SEP-2640): two small skills.

import { SkillsExtension, memorySkillFiles } from "@modelcontextprotocol/server/ext/skills";

const SKILLS = { counting: "Counts things.", naming: "Names things." };
const manifest = (name) => `---\nname: ${name}\ndescription: ${SKILLS[name]}\n---\n\n# ${name}\n\nRead it.\n`;

const FILES = {
  "counting/SKILL.md": manifest("counting"),
  "counting/references/numbers.md": "one, two, three\n",
  "naming/SKILL.md": manifest("naming"),
};
const SCHEME = "skill://";
const MARKDOWN = "text/markdown";

/** For the list of resources and for reading them, which are answered from tables. */
export const SKILL_RESOURCES = Object.entries(SKILLS).map(([name, description]) => ({
  uri: `${SCHEME}${name}/SKILL.md`,
  name,
  description,
  mimeType: MARKDOWN,
}));

export function readSkill(uri) {
  const text = uri.startsWith(SCHEME) ? FILES[uri.slice(SCHEME.length)] : undefined;
  return text && { uri, mimeType: MARKDOWN, text };
}

/** Loaded at the first use: a Worker computes nothing before its first request. */
let catalog;
export function skills() {
  catalog ??= SkillsExtension.load(memorySkillFiles(FILES));
  return catalog;
}
