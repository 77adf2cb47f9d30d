// Anthropic's client of Node.
import Anthropic from "@anthropic-ai/sdk";

const TOOL = {
  name: "look_up",
  description: "Look a word up.",
  input_schema: {
    type: "object",
    properties: { word: { type: "string" } },
    required: ["word"],
  },
};
const client = new Anthropic();

const asks = (content, more) => ({
  model: "claude-x",
  max_tokens: 8,
  messages: [{ role: "user", content }],
  ...more,
});

const whole = await client.messages.create(asks("claude of node, whole"));
const told = { whole: whole.content[0].text };
const stream = client.messages.stream(asks("claude of node, in a stream"));
told.streamed = await stream.finalText();
const wants = asks("claude of node, with tools", { tools: [TOOL] });
let said = await client.messages.create(wants);
told.called = [];
const [call] = said.content;
if (call.type === "tool_use") {
  told.called = [call.name, call.input];
  const result = { type: "tool_result", tool_use_id: call.id, content: "blue" };
  wants.messages.push(
    { role: "assistant", content: [call] },
    { role: "user", content: [result] },
  );
  said = await client.messages.create(wants);
}
told["with tools"] = said.content[0].text;
const several = [0, 1].map((n) =>
  client.messages.create(asks(`claude of node ${n} at once`)),
);
told["at once"] = (await Promise.all(several)).map((message) => message.content[0].text);
console.log(JSON.stringify(told));
