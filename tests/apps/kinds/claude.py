"""Anthropic's client of Python."""

import asyncio
import json

import anthropic

TOOL = {
    "name": "look_up",
    "description": "Look a word up.",
    "input_schema": {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
    },
}
client = anthropic.Anthropic()


def asks(text, **more):
    said = [{"role": "user", "content": text}]
    return {"model": "claude-x", "max_tokens": 8, "messages": said, **more}


told = {"whole": client.messages.create(**asks("claude, whole")).content[0].text}
with client.messages.stream(**asks("claude, in a stream")) as events:
    told["streamed"] = events.get_final_text()
wants = asks("claude, with tools", tools=[TOOL])
with client.messages.stream(**wants) as events:
    said = events.get_final_message()
told["called"] = []
if said.stop_reason == "tool_use":
    (call,) = said.content
    told["called"] = [call.name, call.input]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "blue"}
    wants["messages"] += [
        {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
        {"role": "user", "content": [result]},
    ]
    said = client.messages.create(**wants)
told["with tools"] = said.content[0].text


async def at_once():
    async with anthropic.AsyncAnthropic() as client:
        asked = [
            client.messages.create(**asks(f"claude {n} at once")) for n in range(2)
        ]
        return [message.content[0].text for message in await asyncio.gather(*asked)]


told["at once"] = asyncio.run(at_once())
print(json.dumps(told))
