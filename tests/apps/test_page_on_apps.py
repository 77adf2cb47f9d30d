"""The page on apps holds complete files, which run as they stand."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

from tests.apps.offline_replay import replay, same_rows
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import Body, Says, calls_tool

HERE = Path(__file__).parent
OF_PYTHON = ("openai", "anthropic", "openai-agents", "google-genai")
PAGE = HERE.parents[1] / "docs/apps.md"


def answer(body: Body) -> str | Says:
    last = body["messages"][-1]
    if body.get("tools") and last["role"] == "user":
        return calls_tool("look_up", {"word": "sky"})
    return str(last["content"])


def test_its_files_run_live_and_are_replayed(shop: Shop, offline: list[str]) -> None:
    page = PAGE.read_text("utf-8")
    files = re.findall(r"```(?:python|js)\n(?:#|//) (\S+)\n(.*?)```", page, re.DOTALL)
    for name, text in files:
        shop.write(name, text)
    (config,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    shop.write("ladder.toml", LADDER.format(api_base=shop.server.api_base) + config)
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    shop.server.reply = answer
    shop.run("--ladder-live", "-q").assert_outcomes(passed=8)
    rows = shop.rows()
    tests = {row["test"].partition("::")[0] for row in rows}
    assert tests == {name for name, _ in files if name.startswith("test_")}
    shop.server.stop()
    replay(shop, offline)
    same_rows(rows, shop.rows())


def test_its_list_of_clients_is_what_is_installed() -> None:
    rows = re.findall(
        r"^\| (Python|Node) (`\S.*?`) \| (\S.*?) \|", PAGE.read_text("utf-8"), re.M
    )
    listed = {
        (language, name.strip("`")): version
        for language, names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = [("Node", name) for name in lock[""]["dependencies"] if name != "zod"]
    wanted += [("Python", name) for name in OF_PYTHON]
    assert sorted(listed) == sorted(wanted)
    for (language, name), version in listed.items():
        installed = (
            metadata.version(name)
            if language == "Python"
            else lock[f"node_modules/{name}"]["version"]
        )
        assert version == installed, name
