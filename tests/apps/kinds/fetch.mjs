// Node without any package, over chat completions.
const TOOL = {
  type: "function",
  function: {
    name: "look_up",
    description: "Look a word up.",
    parameters: {
      type: "object",
      properties: { word: { type: "string" } },
      required: ["word"],
    },
  },
};
const { OPENAI_BASE_URL, OPENAI_API_KEY } = process.env;

const user = (content) => [{ role: "user", content }];

async function ask(messages, more) {
  const response = await fetch(`${OPENAI_BASE_URL}/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${OPENAI_API_KEY}`,
    },
    body: JSON.stringify({ model: "gpt-4o", messages, ...more }),
  });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

async function message(messages, more) {
  return (await (await ask(messages, more)).json()).choices[0].message;
}

const told = { whole: (await message(user("fetch, whole"))).content, streamed: "" };
let left = "";
for await (const part of (await ask(user("fetch, in a stream"), { stream: true })).body) {
  const lines = (left + Buffer.from(part).toString()).split("\n");
  left = lines.pop();
  for (const line of lines) {
    if (line.startsWith("data: {"))
      told.streamed += JSON.parse(line.slice(6)).choices[0].delta.content ?? "";
  }
}
const asked = user("fetch, with tools");
let said = await message(asked, { tools: [TOOL] });
told.called = [];
if (said.tool_calls) {
  const [{ id, function: called }] = said.tool_calls;
  told.called = [called.name, JSON.parse(called.arguments)];
  const result = { role: "tool", tool_call_id: id, content: "blue" };
  said = await message([...asked, said, result], { tools: [TOOL] });
}
told["with tools"] = said.content;
const several = [0, 1].map((n) => message(user(`fetch ${n} at once`)));
told["at once"] = (await Promise.all(several)).map((one) => one.content);
console.log(JSON.stringify(told));
