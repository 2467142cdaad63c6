// A table for people; columns whose heading ends in `>` are aligned to the right.

export function table(heading, rows) {
  const names = heading.map((name) => name.replace(/>$/, ""));
  const lines = [names, ...rows.map((row) => row.map(String))];
  const widths = names.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  for (const line of lines) {
    const cells = line.map((cell, at) => (heading[at].endsWith(">") ? cell.padStart(widths[at]) : cell.padEnd(widths[at])));
    console.log(cells.join("  ").trimEnd());
  }
}
