"""OpenAI's client of Python, over responses."""

import asyncio
import json

import openai

TOOL = {
    "type": "function",
    "name": "look_up",
    "description": "Look a word up.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
}
client = openai.OpenAI()
create = client.responses.create

told = {"whole": create(model="gpt-4o", input="responses, whole").output_text}
told["streamed"] = ""
for event in create(model="gpt-4o", input="responses, in a stream", stream=True):
    if event.type == "response.output_text.delta":
        told["streamed"] += event.delta
said = create(model="gpt-4o", input="responses, with tools", tools=[TOOL])
told["called"] = []
if said.output[0].type == "function_call":
    (call,) = said.output
    told["called"] = [call.name, json.loads(call.arguments)]
    result = {"type": "function_call_output", "output": "blue"}
    said = create(
        model="gpt-4o",
        previous_response_id=said.id,
        input=[result | {"call_id": call.call_id}],
        tools=[TOOL],
    )
told["with tools"] = said.output_text


async def at_once():
    async with openai.AsyncOpenAI() as client:
        asked = [
            client.responses.create(model="gpt-4o", input=f"responses {n} at once")
            for n in range(2)
        ]
        return [reply.output_text for reply in await asyncio.gather(*asked)]


told["at once"] = asyncio.run(at_once())
print(json.dumps(told))
