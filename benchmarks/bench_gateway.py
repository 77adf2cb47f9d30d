"""What the gateway costs: 1,000 calls of 0.2 s, 100 at once, and replayed requests.

python -m benchmarks.bench_gateway [--rounds 3] [--calls 1000]

Live, an app in a process of its own asks through the gateway, and a coroutine of the
test asks without it. Replayed, the app asks one after another, against an aiohttp
server that echoes.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from benchmarks.measuring import Line, pytest_command, run, say, server, suite, table

LATENCY_S = 0.2
CONCURRENCY = 100
CLIENT = """
import asyncio, sys, time, aiohttp

async def main(url, calls, at_once):
    places = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def call(n):
            async with places:
                body = {"model": "bot", "messages": [
                    {"role": "user", "content": f"say {n}"}]}
                async with session.post(url + "/chat/completions", json=body) as r:
                    assert r.status == 200, await r.text()
                    await r.read()
        begun = time.perf_counter()
        await asyncio.gather(*(call(n) for n in range(calls)))
        print(time.perf_counter() - begun)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""
THROUGH = """
import pathlib, subprocess, sys
import pytest

@pytest.mark.cheap
def test_app(llm):
    done = subprocess.run(
        [sys.executable, "client.py", llm.base_url, "{calls}", "{at_once}"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pathlib.Path("seconds").write_text(done.stdout)
    assert len(llm.calls) == {calls}
"""
WITHOUT = """
import asyncio, pathlib, time
import pytest

@pytest.mark.cheap
@pytest.mark.ladder(ahead=False)
async def test_all(llm):
    places = asyncio.Semaphore({at_once})
    async def call(n):
        async with places:
            await llm.acall(f"say {{n}}")
    begun = time.perf_counter()
    await asyncio.gather(*(call(n) for n in range({calls})))
    pathlib.Path("seconds").write_text(str(time.perf_counter() - begun))
"""
ECHO = """
import asyncio, subprocess, sys
from aiohttp import web

async def echo(request):
    return web.Response(body=await request.read(), content_type="application/json")

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "client.py", f"http://127.0.0.1:{port}/v1", *sys.argv[1:],
        stdout=subprocess.PIPE)
    out, _ = await child.communicate()
    open("seconds", "wb").write(out)
    await runner.cleanup()

asyncio.run(main())
"""


def seconds(folder: Path) -> float:
    return float((folder / "seconds").read_text())


def live(source: str, calls: int) -> float:
    """Measure calls from the first to the last answer."""
    body = source.format(calls=calls, at_once=CONCURRENCY)
    with server(LATENCY_S) as url, suite(body, 0, url) as folder:
        (folder / "client.py").write_text(CLIENT)
        arguments = ("--ladder-live", f"--ladder-concurrency={CONCURRENCY}")
        run(pytest_command(*arguments), folder)
        return seconds(folder)


def replayed(calls: int) -> tuple[float, float]:
    """Measure a replay through the gateway, and as many posts to an echo."""
    body = THROUGH.format(calls=calls, at_once=1)
    with server(0.0) as url, suite(body, 0, url) as folder:
        (folder / "client.py").write_text(CLIENT)
        (folder / "echo.py").write_text(ECHO)
        run(pytest_command("--ladder-live"), folder)
        run(pytest_command(), folder)
        through = seconds(folder)
        run([pytest_command()[0], "echo.py", str(calls), "1"], folder)
        return through, seconds(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    rounds = range(options.rounds)
    pairs = [
        (live(THROUGH, options.calls), live(WITHOUT, options.calls)) for _ in rounds
    ]
    replays = [replayed(options.calls) for _ in rounds]
    through, without = (statistics.median(each) for each in zip(*pairs, strict=True))
    stored, echo = (statistics.median(each) for each in zip(*replays, strict=True))
    ideal = options.calls * LATENCY_S / CONCURRENCY
    say(f"live: {through:.2f} s through, {without:.2f} s without, ideal {ideal:.2f} s")
    ms = 1000 / options.calls
    say(f"replayed: {stored * ms:.2f} ms a request, an echo {echo * ms:.2f} ms")
    ratios = statistics.median(a / b for a, b in pairs)
    asked = statistics.median(a / b for a, b in replays)
    return table(
        "gateway",
        [
            Line("live, through the gateway / without", ratios, 1.25),
            Line("replayed request / bare aiohttp to an echo", asked, 3.0),
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
