"""Google's client of Python."""

import asyncio
import json

from google import genai

FUNCTION = {
    "name": "look_up",
    "description": "Look a word up.",
    "parameters": {
        "type": "OBJECT",
        "properties": {"word": {"type": "STRING"}},
        "required": ["word"],
    },
}
MODEL = "gemini-3-flash"
client = genai.Client()


def asks(text, **config):
    return {"model": MODEL, "contents": text, "config": config}


told = {"whole": client.models.generate_content(**asks("google, whole")).text}
stream = client.models.generate_content_stream(**asks("google, in a stream"))
told["streamed"] = "".join(piece.text or "" for piece in stream)
wants = asks("google, with tools", tools=[{"function_declarations": [FUNCTION]}])
said = client.models.generate_content(**wants)
told["called"] = []
if said.function_calls:
    (call,) = said.function_calls
    told["called"] = [call.name, call.args]
    result = {"function_response": {"name": call.name, "response": {"is": "blue"}}}
    wants["contents"] = [
        {"role": "user", "parts": [{"text": "google, with tools"}]},
        said.candidates[0].content,
        {"role": "user", "parts": [result]},
    ]
    said = client.models.generate_content(**wants)
told["with tools"] = said.text


async def at_once():
    asked = [
        client.aio.models.generate_content(**asks(f"google {n} at once"))
        for n in range(2)
    ]
    return [reply.text for reply in await asyncio.gather(*asked)]


told["at once"] = asyncio.run(at_once())
print(json.dumps(told))
