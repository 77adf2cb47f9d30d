// Vercel's AI SDK: it asks over responses, and calls its tools by itself.
import { openai } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const model = openai("gpt-4o");
const told = { called: [] };

told.whole = (await generateText({ model, prompt: "vercel, whole" })).text;
told.streamed = "";
for await (const piece of streamText({ model, prompt: "vercel, in a stream" }).textStream) {
  told.streamed += piece;
}
const look_up = tool({
  description: "Look a word up.",
  inputSchema: z.object({ word: z.string() }),
  execute: async ({ word }) => {
    told.called = ["look_up", { word }];
    return "blue";
  },
});
const done = await generateText({
  model,
  prompt: "vercel, with tools",
  tools: { look_up },
  stopWhen: stepCountIs(2),
});
told["with tools"] = done.text;
const several = [0, 1].map((n) => generateText({ model, prompt: `vercel ${n} at once` }));
told["at once"] = (await Promise.all(several)).map((reply) => reply.text);
console.log(JSON.stringify(told));
