// What a payload of each type looks like, to begin with.
export const TEMPLATES = {
  llm_request: { prompt: "Explain orchestration in one sentence.", max_tokens: 200, stream: true },
  tool_call: { tool_name: "get_time", tool_input: {} },
  code_execution: { language: "python", code: "print(6 * 7)" },
  api_request: { method: "GET", url: "https://example.com/" },
  docker_task: { command: ["python", "-c", "print(6 * 7)"] },
  remote_compute: {},
  ollama_request: { prompt: "Say hello.", model: null, stream: true },
  background_cognition: { focus: "What should be looked at next?" },
  parallel_batch: { tasks: [{ type: "tool_call", payload: { tool_name: "get_time" } }], execute_parallel: true },
  custom: {},
};

export const written = (type) => JSON.stringify(TEMPLATES[type] ?? {}, null, 2);

const EMPTY = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} };

/** A call of a tool with what its schema asks for. */
export function toolCall(tool) {
  const { properties = {}, required = [] } = tool.parameters ?? {};
  const input = Object.fromEntries(required.map((name) => [name, properties[name]?.default ?? EMPTY[properties[name]?.type] ?? null]));
  return JSON.stringify({ tool_name: tool.name, tool_input: input }, null, 2);
}

/** Return {value} or {fault}: where a text is not a JSON object, in words. */
export function payloadOf(text) {
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return { fault: "Give a JSON object: { … }." };
    return { value };
  } catch (error) {
    const place = /position (\d+)/.exec(error.message);
    const line = place ? text.slice(0, Number(place[1])).split("\n").length : null;
    return { fault: `This is not JSON${line ? `, see line ${line}` : ""}: ${error.message.replace(/ in JSON at position.*| \(line.*/, "")}.` };
  }
}

/** What a payload of each type may hold: [field, what it is]; those without ? are needed. */
export const TAKES = {
  llm_request: [["prompt", "text; or messages: [{role, content}]"], ["system?", "text that stands before"], ["model?", "a name, worker/model, or a class such as fast"], ["temperature?", "0 to 2"], ["max_tokens?", "of the answer"], ["json_schema?", "that the answer must fit"], ["stream?", "true shows the answer as it comes"], ["cache?", "true takes an answer given before"]],
  tool_call: [["tool_name", "one of those that are registered"], ["tool_input?", "what it is given"]],
  code_execution: [["code", "the program"], ["language?", "python or bash"], ["stdin?", "what it reads"]],
  api_request: [["url", "http or https"], ["method?", "GET, POST, …"], ["headers?", "a value may be {\"$secret\": name}"], ["params?", "of the query"], ["json? or body?", "not both"], ["timeout?", "seconds"]],
  docker_task: [["command", "a list, or text for a shell"], ["image?", "as set"], ["environment?", "variables"]],
  remote_compute: [["anything", "is passed on to the node"]],
  ollama_request: [["prompt", "text; or messages: [{role, content}]"], ["model?", "as set"], ["stream?", "true shows the answer as it comes"]],
  background_cognition: [["focus?", "what to think about"], ["latest_conversation?", "text"], ["focus_board?", "an object"]],
  parallel_batch: [["tasks", "task objects"], ["execute_parallel?", "false: one after the other"]],
  custom: [["anything", "is given to the worker"]],
};
