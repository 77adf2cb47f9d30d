"""--ladder-try: a model that is in no file, held against what ships."""

from __future__ import annotations

import json
import re

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.core.review import reply_hash
from tests.plugin.scratch_suite import JUDGE, Shop
from tests.plugin.slope import OBJECTIVE
from tests.scripted_server import Act, Body, fails, last_user_message

LADDER = """\
current = "bot/plain"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ temperature = 0, max_tokens = 20, seed = 7 }}

[[model]]
name = "big"
tier = "off-the-shelf"
id = "openai/big"
api_base = "{api_base}"
price = {{ input = 9.0, output = 9.0 }}

[[strategy]]
name = "plain"

[[strategy]]
name = "loud"
prompt = "{{input}}!"
models = ["bot"]

[[strategy]]
name = "grand"
models = ["big"]
"""
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl", pack=True)

@pytest.mark.cheap(at_least=0.0)
def test_answer(reply):
    assert reply.text == "right"
"""
RIGHT = {"bot": 24, "better": 40, "worse": 6, "equal": 24}
"""Of 40 cases, by model."""


def answering(body: Body) -> str | Act:
    number = int(last_user_message(body).strip("!").split()[1])
    return "right" if number < RIGHT[body["model"]] else "wrong"


@pytest.fixture
def tried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(shop.path)
    shop.ladder(LADDER)
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(40)])
    shop.test(ANSWER)
    shop.server.reply = answering
    return shop


def in_one_line(result: pytest.RunResult) -> str:
    """Return what a run printed, whatever the width of the terminal."""
    return " ".join(result.stdout.str().split())


def verdicts(shop: Shop, folder: str = "ladder-report/try") -> dict[str, str]:
    return {each["rung"]: each["verdict"] for each in shop.matrix(folder)["tried"]}


def test_each_of_three_gets_its_verdict_and_nothing_is_written_to_the_configuration(
    tried: Shop,
) -> None:
    before = (tried.path / "ladder.toml").read_bytes()
    ids = "openai/better,openai/worse,openai/equal"
    result = tried.run("--ladder-live", f"--ladder-try={ids}", "--ladder-rungs=*/plain")
    assert result.ret == 0
    assert verdicts(tried) == {
        "openai-better/plain": "better",
        "openai-worse/plain": "worse",
        "openai-equal/plain": "undecided",
    }
    assert (tried.path / "ladder.toml").read_bytes() == before
    assert [p.name for p in (tried.path / "ladder-report").iterdir()] == ["try"]
    text = result.stdout.str()
    assert "held against bot/plain, which ships" in text
    told = in_one_line(result)
    assert re.search(
        r"openai-better/plain is better than bot/plain, which ships: \+40\.0 points at "
        r"the cheap level \(.*, paired 95 % interval for all 3 at once, n=40\)\. What "
        r"1,000 calls cost is unknown, against \$[\d.]+\.",
        told,
    )
    assert "Undecided whether openai-equal/plain is better than bot/plain: +0.0" in told
    assert "output = … }` to the [[model]] that keeps it, in USD per million" in told
    result.stdout.fnmatch_lines(
        [
            "To keep it, add to ladder.toml:",
            'name = "openai-better"',
            'id = "openai/better"',
            "params = { temperature = 0, max_tokens = 20 }",
            f'api_base = "{tried.server.api_base}"',
            'name = "openai-equal"',
        ]
    )
    assert 'name = "openai-worse"' not in text
    # Its lines are a configuration, as they stand there.
    begin = text.index('[[model]]\nname = "openai-better"')
    end = text.index('\n\n[[model]]\nname = "openai-equal"')
    (tried.path / "ladder.toml").write_bytes(before + text[begin:end].encode())
    tried.run("--ladder=matrix", "--ladder-rungs=openai-better/plain")
    assert set(tried.outcomes("ladder-report").values()) == {"passed"}
    page = (tried.path / "ladder-report/try/matrix.md").read_text()
    assert "**openai-better/plain is better than bot/plain, which ships:" in page
    # Nothing of it is recorded: a recording is what the tests of the suite need.
    recorded = (tried.path / "recordings/test_shop.jsonl").read_text()
    assert recorded.count('"identity":"openai/bot"') == len(recorded.splitlines())


def test_it_has_the_strategies_of_what_ships_and_works_with_cases_plan_and_replay(
    tried: Shop,
) -> None:
    arguments = ("--ladder-try=openai/better", "--ladder-cases=20")
    planned = tried.run(*arguments, "--ladder-plan").stdout
    planned.fnmatch_lines(["bot/plain * 20 *", "openai-better/plain * 20 *"])
    assert "grand" not in planned.str()
    tried.run(*arguments, "--ladder-live")
    assert set(verdicts(tried)) == {"openai-better/plain", "openai-better/loud"}
    assert tried.server.count == 60
    sent = [r.body for r in tried.server.requests if r.body["model"] == "better"]
    assert {(body["max_tokens"], body.get("seed")) for body in sent} == {(20, None)}
    again = tried.run(*arguments)
    assert tried.server.count == 60
    assert "openai-better/plain is better than bot/plain" in in_one_line(again)


def test_a_climb_and_a_budget_hold_it_against_what_ships_as_well(tried: Shop) -> None:
    tried.ladder(LADDER.replace('"openai/big"', '"openai/equal"') + OBJECTIVE)
    tried.test(ANSWER.replace(", pack=True", ""))
    arguments = ("--ladder-try=hosted_vllm/better", "--ladder-live")
    refused = tried.run(*arguments, "--ladder-budget=1")
    refused.stderr.fnmatch_lines(["*price of model 'hosted_vllm-better' is unknown*"])
    # The first rung is good enough: nobody needs to know of one without a price.
    tried.ladder(LADDER + OBJECTIVE.replace("0.8", "0.3"))
    early = tried.run("--ladder-try=openai/better", "--ladder-live", "--ladder=climb")
    assert (
        "openai-better/plain was not run; the climb did not come to it, and without "
        "--ladder=climb it is run."
    ) in in_one_line(early)
    tried.ladder(LADDER.replace('"openai/big"', '"openai/equal"') + OBJECTIVE)
    run = tried.run("--ladder-try=openai/better", "--ladder-live", "--ladder=climb")
    matrix = tried.matrix("ladder-report/try")
    assert matrix["run"]["mode"] == "climb"
    assert matrix["tried"][0]["rung"].startswith("openai-better/")
    assert re.search(r"openai-better/\w+ is .* bot/plain|Undecided", in_one_line(run))


def test_a_server_that_refuses_it_leaves_it_undecided(tried: Shop) -> None:
    tried.server.reply = lambda body: (
        fails(404, "no such model") if body["model"] == "gone" else answering(body)
    )
    arguments = ("--ladder-try=openai/gone", "--ladder-rungs=*/plain")
    result = tried.run("--ladder-live", "--ladder-cases=5", *arguments)
    assert (
        "Undecided whether openai-gone/plain is better than bot/plain: "
        "openai-gone/plain has no score at the cheap level; 5 errors."
    ) in in_one_line(result)


JUDGED = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl", pack=True)

@pytest.mark.judged(rubric="The reply says right.", at_least=0.0)
def test_tone(verdict):
    assert verdict, verdict.reason
"""


def judging(body: Body) -> str | Act:
    if body["model"] != "judge":
        return answering(body)
    reply = last_user_message(body).partition("reply begins\n")[2].partition("\n")[0]
    verdict = "pass" if reply == "right" else "fail"
    return json.dumps({"reason": f"It says {reply}.", "verdict": verdict})


def test_a_judge_holds_it_against_what_ships_once_labels_have_measured_it(
    tried: Shop,
) -> None:
    tried.ladder(LADDER + JUDGE)
    tried.test(JUDGED)
    tried.server.reply = judging
    ids = "--ladder-try=openai/better,openai/worse,openai/equal"
    command = (ids, "--ladder-rungs=*/plain")
    plan = tried.run(*command, "--ladder-plan").stdout
    plan.fnmatch_lines(["openai-better/plain * 40 *", "?judge? * 160 *"])
    unmeasured = tried.run(*command, "--ladder-live")
    assert unmeasured.ret == 0
    told = 6 + 34 * 2
    assert tried.server.count == 160 + told, "equal replies are judged once"
    assert set(verdicts(tried).values()) == {"undecided"}
    assert re.search(
        r"Undecided whether openai-better/plain is better than bot/plain: \+40\.0 "
        r"points at the judged level \(.*n=40\); .*0 of 50 labels",
        in_one_line(unmeasured),
    )

    # People agree with the judge, and the same rows tell which is better.
    asked = tried.server.count
    label_all(tried)
    measured = tried.run(*command)
    assert tried.server.count == asked
    assert verdicts(tried) == {
        "openai-better/plain": "better",
        "openai-worse/plain": "worse",
        "openai-equal/plain": "undecided",
    }
    assert re.search(
        r"openai-better/plain is better than bot/plain, which ships: \+38\.\d points "
        r"at the judged level",  # corrected by the labels
        in_one_line(measured),
    )
    page = (tried.path / "ladder-report/try/matrix.md").read_text()
    assert "**openai-better/plain is better than bot/plain, which ships:" in page


def label_all(shop: Shop) -> None:
    lines = []
    for row in shop.rows("ladder-report/try"):
        lines.append(
            json.dumps(
                {
                    "case": row["case"],
                    "rung": row["rung"],
                    "reply": reply_hash(row["text"]),
                    "verdict": "pass" if row["text"] == "right" else "fail",
                    "judge": row["verdict"]["judge"],
                    "rubric": row["verdict"]["rubric"],
                }
            )
        )
    shop.write("labels.jsonl", "\n".join(lines) + "\n")


def test_a_bound_in_dollars_needs_a_price_before_a_call_is_paid(tried: Shop) -> None:
    clerk = 'use = "tools"\ntools = ["shelf:find"]\nmost_usd = 0.01\n'
    tried.ladder(LADDER.replace('models = ["bot"]\n', f'models = ["bot"]\n{clerk}'))
    tried.write("shelf.py", 'def find(tea: str) -> str:\n    """Find."""\n')
    command = ("--ladder-try=openai/better", "--ladder-live")
    for option in ((), ("--ladder-plan",)):
        result = tried.run(*command, *option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                '*ladder.toml: strategy "loud": most_usd cannot be kept on '
                "openai-better/loud, for the price of model 'openai-better' is *"
                "leave that rung out with --ladder-rungs, or remove `most_usd`."
            ]
        )
    assert tried.server.count == 0
    assert tried.run(*command, "--ladder-rungs=*/plain").ret == 0


def test_what_it_cannot_be_combined_with_is_told(tried: Shop) -> None:
    for option, told in {
        "--ladder=litmus": "*--ladder=litmus tries one rung alone; leave one of *",
        "--ladder-baseline=x": "*--ladder-baseline what ships against an earlier *",
    }.items():
        result = tried.run("--ladder-try=openai/x", option)
        result.stderr.fnmatch_lines([told])
    tried.ladder(LADDER.replace('current = "bot/plain"\n', ""))
    result = tried.run("--ladder-try=openai/x")
    result.stderr.fnmatch_lines(
        ["*--ladder-try holds a model against what ships, and ladder.toml does not *"]
    )
    tried.ladder(LADDER)
    result = tried.run("--ladder-try=openai/x", "--ladder-rungs=*/grand")
    result.stderr.fnmatch_lines(["*--ladder-rungs=*/grand matches no rung of this *"])


def test_shards_of_a_trial_are_merged_to_its_verdict(tried: Shop) -> None:
    command = ("--ladder-live", "--ladder-try=openai/better", "--ladder-rungs=*/plain")
    tried.run(*command)
    for index in (1, 2):
        tried.run(*command, f"--ladder-shard={index}/2")
    shards = [f"ladder-report/try/shards/{index}-of-2" for index in (1, 2)]
    assert main(["merge", *shards, "--output", "joined"]) == 0
    whole = tried.matrix("ladder-report/try")["tried"]
    assert tried.matrix("joined")["tried"] == whole
    assert verdicts(tried, "joined") == {"openai-better/plain": "better"}
