// OpenAI's client of Node, over chat completions and responses.
import OpenAI from "openai";

const TOOL = {
  type: "function",
  name: "look_up",
  description: "Look a word up.",
  strict: true,
  parameters: {
    type: "object",
    properties: { word: { type: "string" } },
    required: ["word"],
    additionalProperties: false,
  },
};
const client = new OpenAI();
const model = "gpt-4o";

const chat = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "node, whole" }],
});
const told = { whole: chat.choices[0].message.content, streamed: "" };
const stream = await client.responses.create({
  model,
  input: "node, in a stream",
  stream: true,
});
for await (const event of stream) {
  if (event.type === "response.output_text.delta") told.streamed += event.delta;
}
const tools = [TOOL];
let said = await client.responses.create({ model, tools, input: "node, with tools" });
told.called = [];
const [call] = said.output;
if (call.type === "function_call") {
  told.called = [call.name, JSON.parse(call.arguments)];
  said = await client.responses.create({
    model,
    tools,
    previous_response_id: said.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "blue" }],
  });
}
told["with tools"] = said.output_text;
const several = [0, 1].map((n) =>
  client.responses.create({ model, input: `node ${n} at once` }),
);
told["at once"] = (await Promise.all(several)).map((reply) => reply.output_text);
console.log(JSON.stringify(told));
