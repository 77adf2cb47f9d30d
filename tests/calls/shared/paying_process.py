"""One machine of several: it wants all keys, in an order of its own, 50 at once.

Prints what came of them as JSON. Arguments: run, cap, provider's port, how many keys;
the address of the store is in STORE_URL.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import sys

from pytest_ladder.calls.shared.address import from_environment
from pytest_ladder.calls.shared.room import SharedRoom
from tests.calls.shared.calls_made import call, opened

WORST = 1_000
AT_ONCE = 50


async def paid(room: SharedRoom, number: int, port: int) -> str:
    asked = call(number, worst_nano=WORST)
    while True:
        answer = await room.admit(asked)
        if answer.verdict in ("stored", "over"):
            return answer.verdict
        if answer.verdict == "held":
            if await room.reply_of_other(asked.key) is not None:
                return "others"
        elif answer.permit is None:
            await asyncio.sleep(answer.wait_s)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            line = {"fence": answer.permit.fence, "key": asked.key}
            writer.write(json.dumps(line).encode() + b"\n")
            said = json.loads(await reader.readline())
            writer.close()
            row = asked.key, "bot@1", "{}", json.dumps({"text": said["text"]})
            return await room.settle(answer.permit, said["cost"], row)


async def main(run: str, cap: int, port: int, keys: int) -> None:
    address = from_environment("STORE_URL", "ladder")
    assert address is not None
    numbers = list(range(keys))
    random.shuffle(numbers)
    came: collections.Counter[str] = collections.Counter()
    async with opened(address, run, cap_nano=cap) as room:
        places = asyncio.Semaphore(AT_ONCE)
        print("started", flush=True)  # noqa: T201

        async def one(number: int) -> None:
            async with places:
                came[await paid(room, number, port)] += 1

        await asyncio.gather(*(one(number) for number in numbers))
    print(json.dumps(came), flush=True)  # noqa: T201


if __name__ == "__main__":
    name, *counts = sys.argv[1:]
    asyncio.run(main(name, *map(int, counts)))
