"""A provider that bills: a process of its own, which keeps what it asks for each call.

It reads lines of JSON on a port of this machine: a call, `{"fence": …, "key": …}`, is
answered after a while with its cost and a text; `{}` with all bills, by fence.
"""

from __future__ import annotations

import asyncio
import json
import sys

BILLS: dict[int, tuple[str, int]] = {}


def cost_of(key: str) -> int:
    return 500 + int(key[:4], 16) % 500


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        asked = json.loads(line)
        if not asked:
            answer: object = BILLS
        else:
            fence, key = asked["fence"], asked["key"]
            assert fence not in BILLS
            # It is owed from when it arrives, whoever hears the answer.
            BILLS[fence] = key, cost_of(key)
            await asyncio.sleep(float(sys.argv[1]))
            answer = {"cost": cost_of(key), "text": f"reply to {key[:8]}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
