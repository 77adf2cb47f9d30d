"""OpenAI's Agents SDK: it asks over responses, and calls its tools by itself."""

import asyncio
import json

from agents import Agent, Runner, function_tool

told = {"called": []}


@function_tool
def look_up(word: str) -> str:
    """Look a word up."""
    told["called"] = ["look_up", {"word": word}]
    return "blue"


plain = Agent(name="Plain", model="gpt-4o")
clerk = Agent(name="Clerk", model="gpt-4o", tools=[look_up])


async def main():
    told["whole"] = (await Runner.run(plain, "agent, whole")).final_output
    streamed = Runner.run_streamed(plain, "agent, in a stream")
    async for _ in streamed.stream_events():
        pass
    told["streamed"] = streamed.final_output
    told["with tools"] = (await Runner.run(clerk, "agent, with tools")).final_output
    asked = [Runner.run(plain, f"agent {n} at once") for n in range(2)]
    told["at once"] = [run.final_output for run in await asyncio.gather(*asked)]


asyncio.run(main())
print(json.dumps(told))
