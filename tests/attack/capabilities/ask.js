// Asking, and what came of it as text.

/** Fetches and tells status and text. */
export async function ask(url, init = {}) {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000), ...init });
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("; ");
  return `${response.status} ${await response.text()} ${response.statusText} ${headers}`;
}

/** The same, where what was heard there is success. */
export async function reach(url, init) {
  const told = await ask(url, init);
  return told.includes("outside-heard") ? `succeeded ${told}` : `refused ${told}`;
}
