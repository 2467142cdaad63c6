// The tasks extension (SEP-2663): tools that answer with a task, and what a client asks about it. A task is what its state says
// at the time it is looked at, so that nothing has to run between two requests.

import { ProtocolError, fromJsonSchema } from "@modelcontextprotocol/server";
import { elicit, form } from "./questions.js";

export const TASKS = "io.modelcontextprotocol/tasks";
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const MISSING_CAPABILITY = -32021;
const MAX_TASKS = 1000;
const TTL_MS = 300_000;
const POLL_MS = 200;

const tasks = new Map();
const say = (text, isError = false) => ({ resultType: "complete", content: [{ type: "text", text }], isError });
const ask = (name) => elicit(form(`Give ${name}`, name));
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A task that is done after so many seconds, once every question has an answer. */
function begin({ seconds = 0, questions = {}, outcome }) {
  const now = Date.now();
  const task = { taskId: crypto.randomUUID(), createdAt: now, lastUpdatedAt: now, doneAt: now + seconds * 1000 };
  Object.assign(task, { questions: { ...questions }, answers: {}, outcome });
  tasks.set(task.taskId, task);
  const [oldest] = tasks.keys();
  if (tasks.size > MAX_TASKS) tasks.delete(oldest);
  return { resultType: "task", ...shown(task) };
}

function shown(task) {
  const date = (time) => new Date(time).toISOString();
  const times = { createdAt: date(task.createdAt), lastUpdatedAt: date(task.lastUpdatedAt) };
  return { taskId: task.taskId, status: statusOf(task), ...times, ttlMs: TTL_MS, pollIntervalMs: POLL_MS };
}

function statusOf(task) {
  if (task.cancelled) return "cancelled";
  if (Object.keys(task.questions).length > 0) return "input_required";
  if (Date.now() < task.doneAt) return "working";
  return task.outcome.error ? "failed" : "completed";
}

/** What a client that asks is told. */
function detailed(task) {
  const told = shown(task);
  if (told.status === "input_required") return { ...told, inputRequests: task.questions };
  if (told.status === "failed") return { ...told, error: task.outcome.error };
  if (told.status === "completed") return { ...told, result: task.outcome.result(task.answers) };
  return told;
}

/** Tools by name: whether they need a task, and what they do with one or without. */
export const TASK_TOOLS = {
  greet: { properties: { name: { type: "string" } }, run: ({ name }) => say(`Hello, ${name}!`) },
  slow_compute: {
    properties: { seconds: { type: "number" }, label: { type: "string" } },
    async run({ seconds = 0, label = "" }, negotiated) {
      const result = () => say(`computed ${label} in ${seconds} s`);
      if (negotiated && seconds > 0) return begin({ seconds, outcome: { result } });
      await pause(seconds);
      return result();
    },
  },
  failing_job: { required: true, run: () => begin({ seconds: 1, outcome: { result: () => say("the job failed", true) } }) },
  protocol_error_job: {
    required: true,
    run: () => begin({ outcome: { error: { code: INTERNAL_ERROR, message: "the job broke" } } }),
  },
  confirm_delete: {
    required: true,
    properties: { filename: { type: "string" } },
    run: ({ filename }) => {
      const questions = { confirm: elicit(form(`Delete ${filename}?`, "confirm", "boolean")) };
      return begin({ questions, outcome: { result: ({ confirm }) => say(`${filename}: ${confirm.action}`) } });
    },
  },
  multi_input: {
    required: true,
    run: () => begin({ questions: { one: ask("name"), two: ask("name") }, outcome: { result: () => say("both came") } }),
  },
  test_tool_with_task: {
    required: true,
    run: (_, negotiated, { responses }) => {
      const name = responses?.user_name?.content?.name;
      if (name === undefined) return { resultType: "input_required", inputRequests: { user_name: ask("name") } };
      return begin({ outcome: { result: () => say(`Hello, ${name}!`) } });
    },
  },
};

const isNegotiated = ({ capabilities }) => capabilities.extensions?.[TASKS] !== undefined;

function missing() {
  const requiredCapabilities = { extensions: { [TASKS]: {} } };
  return new ProtocolError(MISSING_CAPABILITY, "this needs the tasks extension", { requiredCapabilities });
}

/** Calls one of the tools above. */
export function callTask(name, args, round) {
  const tool = TASK_TOOLS[name];
  if (tool.required && !isNegotiated(round)) throw missing();
  return tool.run(args, isNegotiated(round), round);
}

/** What a client may ask about its tasks; `round` reads the context of a request. */
export function answerTasks(server, round) {
  const params = fromJsonSchema({ type: "object", properties: { taskId: { type: "string" } }, required: ["taskId"] });
  const handle = (method, answer) =>
    server.setRequestHandler(method, { params }, (given, ctx) => {
      if (!isNegotiated(round(ctx))) throw missing();
      const task = tasks.get(given.taskId);
      if (task === undefined) throw new ProtocolError(INVALID_PARAMS, "there is no such task");
      return { resultType: "complete", ...answer(task, round(ctx)) };
    });
  handle("tasks/get", detailed);
  // The SDK takes answers out of the parameters.
  handle("tasks/update", (task, { responses }) => {
    for (const [key, answer] of Object.entries(responses ?? {})) {
      if (!Object.hasOwn(task.questions, key)) continue;
      task.answers[key] = answer;
      delete task.questions[key];
    }
    task.lastUpdatedAt = Date.now();
  });
  handle("tasks/cancel", (task) => {
    if (!["completed", "failed"].includes(statusOf(task))) task.cancelled = true;
  });
}
