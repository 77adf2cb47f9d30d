"""OpenAI's client of Python, over chat completions."""

import asyncio
import json

import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a word up.",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
        },
    },
}
client = openai.OpenAI()
create = client.chat.completions.create


def asks(text, **more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


told = {"whole": create(**asks("chat, whole")).choices[0].message.content}
stream = create(**asks("chat, in a stream"), stream=True)
told["streamed"] = "".join(c.choices[0].delta.content or "" for c in stream)
wants = asks("chat, with tools", tools=[TOOL])
said = create(**wants).choices[0].message
told["called"] = []
if said.tool_calls:
    (call,) = said.tool_calls
    told["called"] = [call.function.name, json.loads(call.function.arguments)]
    result = {"role": "tool", "tool_call_id": call.id, "content": "blue"}
    wants["messages"] += [said.model_dump(exclude_none=True), result]
    said = create(**wants).choices[0].message
told["with tools"] = said.content


async def at_once():
    async with openai.AsyncOpenAI() as client:
        asked = [
            client.chat.completions.create(**asks(f"chat {n} at once"))
            for n in range(2)
        ]
        return [
            reply.choices[0].message.content for reply in await asyncio.gather(*asked)
        ]


told["at once"] = asyncio.run(at_once())
print(json.dumps(told))
