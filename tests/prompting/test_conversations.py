"""Strategies that think, vote, refine and call tools, conversation by conversation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.calls.asker import Asker, sum_of_conversation, sum_of_task
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import reply_key
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.reply import Reply, Timing, Usage
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.errors import ConfigError, MissingReply
from pytest_ladder.prompting.functions import CallableFunction
from pytest_ladder.prompting.prompter import Prompt
from pytest_ladder.prompting.refine import RefineOptions
from pytest_ladder.prompting.strategies import Strategies
from pytest_ladder.prompting.think import AnswerOptions, ThinkOptions
from pytest_ladder.prompting.tools import ToolOptions
from pytest_ladder.prompting.vote import VoteOptions
from pytest_ladder.real.fingerprints import fingerprints

BOT = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="openai/bot")
HOME = "tests.prompting.shop_tools"
Said = str | dict[str, Any]
"""What a model says: a text, or fields of a reply."""


@pytest.fixture
def strategies(tmp_path: Path) -> Strategies:
    (tmp_path / "examples.jsonl").write_text(
        json.dumps({"input": "2+2?", "expected": "4"})
        + "\n"
        + json.dumps({"input": "3+3?", "expected": "6", "reasoning": "3, 4, 5, 6."})
    )
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "sums.md").write_text("Sums of tea are even.")
    ladder = Ladder(path=tmp_path / "ladder.toml", models=(), strategies=(), rungs=())
    return Strategies(ladder)


class Speaker:
    """Says one thing after another, and keeps what it was asked."""

    def __init__(self, *says: Said) -> None:
        self.says = list(says)
        self.asked: list[Request] = []
        self.begun: list[int] = []

    def serve(self, request: Request) -> Reply:
        self.asked.append(request)
        said = self.says.pop(0)
        fields = {"text": said} if isinstance(said, str) else {"text": "", **said}
        answer: Message = {"role": "assistant", "content": fields["text"]}
        if "tool_calls" in fields:
            answer["tool_calls"] = list(fields["tool_calls"])
        fields = {
            "messages": [*request.messages, answer],
            "cost_usd": 0.5,
            "usage": Usage(input=10, output=2),
            "timing": Timing(sent_s=0.0, done_s=float(len(self.asked))),
            **fields,
        }
        return Reply(**fields, key=reply_key("bot", request))

    def put(
        self, strategies: Strategies, strategy: Strategy, case: Case, sample: int = 1
    ) -> Reply:
        """Put a case to it, and return the reply with the bill of all its calls."""
        rung = Rung(model=BOT, strategy=strategy)
        talk = strategies.talk(rung, case, sample)
        asker = Asker(self.serve, begin=lambda later: self.begun.append(len(later)))
        return asker.as_one(lambda inner: inner.hold(talk), sum_of_conversation)


def case(text: str = "1+1?", **fields: Any) -> Case:
    return Case(id="c", input=text, source="cases.jsonl", **fields)


def think(**fields: Any) -> ThinkOptions:
    return ThinkOptions(name="s", use="think", **fields)


def vote(**fields: Any) -> VoteOptions:
    return VoteOptions(name="s", use="vote", **{"votes": 3, **fields})


def refine(**fields: Any) -> RefineOptions:
    return RefineOptions(name="s", use="refine", **fields)


def tools(*names: str, **fields: Any) -> ToolOptions:
    specs = tuple(f"{HOME}:{name}" for name in names)
    return ToolOptions(name="s", use="tools", tools=specs, **fields)


def calls(*calls: tuple[str, Any]) -> dict[str, Any]:
    """Return what a model says that calls tools; arguments of a text are sent as is."""
    return {
        "finish_reason": "tool_calls",
        "tool_calls": tuple(
            {
                "id": f"id{n}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": given if isinstance(given, str) else json.dumps(given),
                },
            }
            for n, (name, given) in enumerate(calls)
        ),
    }


# -- think ---------------------------------------------------------------------------


def test_the_answer_alone_is_the_text_and_thoughts_are_kept_apart(
    strategies: Strategies,
) -> None:
    model = Speaker({"text": "One and one.\nAnswer: 2", "reasoning": "Easy."})
    served = model.put(strategies, think(), case())
    assert served.text == "2"
    assert served.reasoning == "Easy.\n\nOne and one."
    assert served.flag is None
    (request,) = model.asked
    assert request.messages[-1]["content"].startswith("1+1?\n\nThink step by step.")
    # One call is a call: no sum, and the key that anybody's same call has.
    assert served.key == reply_key("bot", request)
    assert "2" not in served.messages[-2]["content"]
    assert served.messages[-1]["content"] == "One and one.\nAnswer: 2"


@pytest.mark.parametrize(
    ("fields", "text", "flag"),
    [
        ({"text": "I do not know."}, "", "no answer"),
        ({"text": "Well, one", "finish_reason": "length"}, "", "truncated"),
        ({"text": "I cannot.", "refusal": "I cannot."}, "I cannot.", "refused"),
        ({"text": "", "finish_reason": "content_filter"}, "", "filtered"),
    ],
)
def test_a_reply_without_an_answer_says_so(
    strategies: Strategies, fields: dict[str, Any], text: str, flag: str
) -> None:
    reply = Speaker(fields).put(strategies, think(extract="tag"), case())
    assert (reply.text, reply.flag) == (text, flag)
    if flag == "no answer":
        assert reply.reasoning == "I do not know."
        assert repr(reply) == "Reply('', no answer)"


def test_examples_and_passages_combine_with_thinking(strategies: Strategies) -> None:
    strategy = think(
        examples="examples.jsonl", corpus="kb", extract="tag", instruction="Think!"
    )
    model = Speaker("<answer>2</answer>")
    reply = model.put(strategies, strategy, case("sums of tea?"))
    shown = [message["content"] for message in model.asked[0].messages]
    assert shown[:4] == [
        "2+2?\n\nThink!",
        "<answer>4</answer>",
        "3+3?\n\nThink!",
        "3, 4, 5, 6.\n\n<answer>6</answer>",
    ]
    assert shown[4].endswith("sums of tea?\n\nThink!")
    assert "even" in shown[4]
    assert [passage.source for passage in reply.retrieved] == ["sums.md"]


# -- vote ----------------------------------------------------------------------------

VOTES: dict[str, tuple[dict[str, Any], list[Said], str, float, str | None]] = {
    "majority": ({}, ["green", "blue", "Blue."], "blue", 2 / 3, None),
    "all": ({}, ["red", "Red", " **red** "], "red", 1.0, None),
    "tie": ({"votes": 4}, ["a b", "x", "A  b!", "X"], "a b", 0.5, "tied"),
    "all different": ({}, ["x", "y", "z"], "x", 1 / 3, "tied"),
    "all cut off before they can agree": (
        {},
        [{"text": text, "finish_reason": "length"} for text in "xyz"],
        "x",
        1 / 3,
        "tied, truncated",
    ),
    "a tie of refusals with an answer": (
        {"votes": 2},
        [{"text": "No.", "refusal": "No."}, "2"],
        "No.",
        0.5,
        "tied, refused",
    ),
    "cut off before any answer": (
        {"extract": "tag"},
        [{"text": "hm", "finish_reason": "length"}] * 3,
        "",
        0.0,
        "truncated",
    ),
    "numbers": ({}, ["7", "1,000", "$1000.00"], "1,000", 2 / 3, None),
    "numbers in other words": ({}, ["(4)", "5", "$\\boxed{4.0}$"], "(4)", 2 / 3, None),
    "a number with a unit": ({}, ["4 g", "4 kg", "4.0 kg."], "4 kg", 2 / 3, None),
    "numbers to the last digit": (
        {},
        ["9" * 29, "9" * 30, "9" * 30],
        "9" * 30,
        2 / 3,
        None,
    ),
    "powers": ({}, ["1e3", "1000", "1e99999999999999999999"], "1e3", 2 / 3, None),
    "no answer is no vote": (
        {"extract": "tag"},
        ["hm", "hm", "<answer>2</answer>"],
        "2",
        1 / 3,
        None,
    ),
    "nobody answers": ({"extract": "tag"}, ["hm", "hm", "hm"], "", 0.0, "no answer"),
    "thinking": (
        {"extract": "last-line"},
        ["1+1\nAnswer: 2", "I guess\n3", "two\nAnswer: 2."],
        "2",
        2 / 3,
        None,
    ),
    "refusals": (
        {},
        ["2", {"text": "No.", "refusal": "No."}, {"text": "N", "refusal": "N"}],
        "No.",
        2 / 3,
        "refused",
    ),
    "median": ({"pick": "median"}, ["40 cm", "about 1,000", "45"], "45", 1 / 3, None),
    "even median": (
        {"pick": "median", "votes": 4},
        ["4", "1", "3", "-2"],
        "1",
        0.25,
        None,
    ),
    "median of what one number is": (
        {"pick": "median", "votes": 4},
        ["2,5", "1e3", "1000", "v2.0"],
        "1e3",
        0.5,
        None,
    ),
    "median of some": (
        {"pick": "median"},
        ["from 3 to 4", "none", "5"],
        "5",
        1 / 3,
        None,
    ),
    "no number": ({"pick": "median"}, ["a", "b", "c"], "", 0.0, "no answer"),
}


@pytest.mark.parametrize(
    ("options", "says", "text", "agreement", "flag"), VOTES.values(), ids=VOTES.keys()
)
def test_votes_are_counted(
    strategies: Strategies,
    options: dict[str, Any],
    says: list[Said],
    text: str,
    agreement: float,
    flag: str | None,
) -> None:
    reply = Speaker(*says).put(strategies, vote(**options), case())
    assert (reply.text, reply.flag) == (text, flag)
    assert reply.agreement == pytest.approx(agreement)


def test_a_letter_and_the_text_of_its_choice_are_one_vote(
    strategies: Strategies,
) -> None:
    asked = case("Tea?", metadata={"choices": ["Matcha", "Sencha"]})
    reply = Speaker("A", "(B)", "Sencha").put(strategies, vote(), asked)
    assert reply.text == "(B)"
    assert reply.agreement == pytest.approx(2 / 3)


def test_votes_are_asked_for_at_once_and_cost_as_much_as_all_of_them(
    strategies: Strategies,
) -> None:
    model = Speaker("a", "a", "b")
    served = model.put(strategies, vote(), case())
    assert model.begun == [2]
    assert [request.draw for request in model.asked] == [1, 2, 3]
    assert served.cost_usd == 1.5
    assert served.usage == Usage(input=30, output=6)
    # They took 1, 2 and 3 seconds, side by side.
    assert served.latency_s == 3.0
    assert len(set(served.calls)) == 3
    again = Speaker("a", "a", "b")
    second = again.put(strategies, vote(), case(), sample=2)
    assert set(served.calls).isdisjoint(second.calls)


def test_a_draw_is_in_the_key_only_where_there_are_several() -> None:
    once = Request(model=BOT, messages=[{"role": "user", "content": "1+1?"}])
    # As it was before there were draws.
    assert reply_key("bot", once) == (
        "9025d303ed903291068efcfcca4da2af954182661afdc2230b71f57ef184946b"
    )
    drawn = {
        reply_key("bot", msgspec.structs.replace(once, draw=draw, sample=sample))
        for draw in range(4)
        for sample in range(1, 4)
    }
    assert len(drawn) == 12


def test_all_votes_are_known_before_anything_is_asked(strategies: Strategies) -> None:
    rung = Rung(model=BOT, strategy=vote())
    assert [r.draw for r in strategies.known_requests(rung, case())] == [1, 2, 3]
    assert strategies.all_is_known(vote())
    assert strategies.estimate(vote()).calls == 3
    assert not strategies.all_is_known(refine())


def test_votes_that_ran_side_by_side_follow_what_was_asked_before(
    strategies: Strategies,
) -> None:
    model = Speaker("draft", "a", "a", "a")
    rung = Rung(model=BOT, strategy=vote())

    def task(asker: Asker) -> Reply:
        asker.ask(Request(model=BOT, messages=[{"role": "user", "content": "1+1?"}]))
        talk = strategies.talk(rung, case())
        return asker.as_one(lambda inner: inner.hold(talk), sum_of_conversation)

    summed = Asker(model.serve).as_one(task, sum_of_task)
    # The n-th call takes n seconds: the first, then the longest of three votes.
    assert summed.latency_s == 1.0 + 4.0


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_when_a_vote_fails_the_others_are_on_the_bill(
    strategies: Strategies, fails: int
) -> None:
    model = Speaker("a", "a")
    noted: list[Reply] = []

    def serve(request: Request) -> Reply:
        if request.draw == fails:
            raise MissingReply("the server is gone")
        return model.serve(request)

    asker = Asker(serve, note=lambda reply, _: noted.append(reply))
    talk = strategies.talk(Rung(model=BOT, strategy=vote()), case())
    with pytest.raises(MissingReply, match="gone"):
        asker.as_one(lambda inner: inner.hold(talk), sum_of_conversation)
    (bill,) = noted
    assert (bill.cost_usd, len(bill.calls)) == (1.0, 2)


# -- refine --------------------------------------------------------------------------


def test_a_draft_is_criticised_and_written_anew(strategies: Strategies) -> None:
    strategy = refine(critique="Faults, of {input}?", revise="Again.", rounds=2)
    model = Speaker("3", "It is odd.", "2", "None.", "two")
    served = model.put(strategies, strategy, case())
    assert served.text == "two"
    assert [message["content"] for message in model.asked[-1].messages] == [
        *("1+1?", "3", "Faults, of 1+1??", "It is odd.", "Again.", "2"),
        *("Faults, of 1+1??", "None.", "Again."),
    ]
    # One after another: 1 + 2 + 3 + 4 + 5 seconds.
    assert served.latency_s == 15.0
    assert (served.cost_usd, len(served.calls)) == (2.5, 5)
    estimate = strategies.estimate(strategy)
    assert estimate.calls == 5
    assert estimate.prompt_tokens > 5 * strategies.estimate(Strategy(name="s"))[0]


def test_a_refined_answer_is_found_among_thoughts(strategies: Strategies) -> None:
    model = Speaker("Answer: 3", "Odd.", "Hm.\nAnswer: 2")
    reply = model.put(strategies, refine(extract="last-line"), case())
    assert (reply.text, reply.reasoning) == ("2", "Hm.")


def test_nothing_is_asked_about_a_draft_without_words(strategies: Strategies) -> None:
    model = Speaker({"text": "", "finish_reason": "content_filter"})
    reply = model.put(strategies, refine(), case())
    assert (reply.flag, len(model.asked)) == ("filtered", 1)


def test_a_critique_without_words_leaves_the_draft_as_it_is(
    strategies: Strategies,
) -> None:
    model = Speaker("3", "It is odd.", "2", " ")
    reply = model.put(strategies, refine(rounds=2), case())
    assert (reply.text, reply.flag, len(model.asked)) == ("2", None, 4)
    assert reply.cost_usd == 2.0


# -- tools ---------------------------------------------------------------------------


def test_the_model_is_told_what_tools_return_until_it_answers(
    strategies: Strategies,
) -> None:
    model = Speaker(
        calls(("stock", {"tea": "matcha"}), ("echo", {"text": "hi"})),
        calls(("shipping", {"address": {"city": "Ulm", "zip": 8}})),
        "Yes, for 4 dollars.",
    )
    served = model.put(strategies, tools("stock", "shipping", "echo"), case())
    assert served.text == "Yes, for 4 dollars."
    assert served.flag is None
    assert (served.cost_usd, served.latency_s) == (1.5, 6.0)
    first, second = (request.messages for request in model.asked[1:])
    assert [(m["tool_call_id"], m["content"]) for m in first[2:]] == [
        ("id0", "true"),
        ("id1", "hi"),
    ]
    assert second[-1]["content"] == '{"usd":4,"city":"Ulm"}'
    offered = [tool["function"]["name"] for tool in model.asked[0].params["tools"]]
    assert offered == ["stock", "shipping", "echo"]
    assert model.asked[0].params == model.asked[2].params


def test_a_schema_is_made_of_signature_and_docstring(tmp_path: Path) -> None:
    schema = CallableFunction(f"{HOME}:stock", tmp_path).schema
    assert schema == {
        "type": "function",
        "function": {
            "name": "stock",
            "description": "Tell whether a tea is in stock.\n\n"
            "Teas are named in lower case.",
            "parameters": {
                "type": "object",
                "properties": {
                    "tea": {"type": "string", "description": "the kind of tea"},
                    "at_least": {"type": "integer"},
                },
                "required": ["tea"],
                "additionalProperties": False,
            },
        },
    }
    nested: Any = CallableFunction(f"{HOME}:shipping", tmp_path).schema["function"]
    assert nested["parameters"]["properties"]["address"] == {"$ref": "#/$defs/Address"}
    assert set(nested["parameters"]["$defs"]) == {"Address"}


HOSTILE: dict[str, tuple[str, Any, str]] = {
    "no such tool": ("rm", {}, "Error: there is no such tool; there are `stock`"),
    "no JSON": ("stock", "{tea", "Error: wrong arguments: "),
    "a list": ("stock", "[1]", "Error: wrong arguments: Expected `object`"),
    "nothing": ("stock", "", "Error: wrong arguments: Object missing required field"),
    "an unknown argument": (
        "stock",
        {"tea": "matcha", "__class__": 1},
        "Error: wrong arguments: Object contains unknown field `__class__`",
    ),
    "another type": (
        "stock",
        {"tea": {"$ne": None}},
        "Error: wrong arguments: Expected `str`, got `object` - at `$.tea`",
    ),
    "what raises": ("stock", {"tea": "coffee"}, "Error: KeyError: 'coffee'"),
    "a set": ("teas", {}, '["gyokuro","matcha","sencha"]'),
    "no text": ("tin", {}, "<object object>"),
    "what ends a program": ("parsed", {"flag": "-x"}, "Error: SystemExit: 2"),
    "code": ("echo", {"text": "{__import__('os')}"}, "{__import__('os')}"),
    "depth": ("stock", '{"tea":' * 100_000, "Error: wrong arguments: "),
    "a long result": ("novel", {}, "x" * 50_000 + "\n[10000 characters left out]"),
}


@pytest.mark.parametrize(
    ("name", "arguments", "told"), HOSTILE.values(), ids=HOSTILE.keys()
)
def test_hostile_arguments_stay_arguments(
    strategies: Strategies, name: str, arguments: Any, told: str
) -> None:
    model = Speaker(calls((name, arguments)), "Sorry.")
    strategy = tools("stock", "echo", "novel", "parsed", "teas", "tin")
    assert model.put(strategies, strategy, case()).text == "Sorry."
    assert model.asked[1].messages[-1]["content"].startswith(told)


def test_odd_calls_of_tools_end_no_conversation(strategies: Strategies) -> None:
    odd: tuple[dict[str, Any], ...] = (
        {"type": "function"},
        {"id": 7, "function": "stock"},
        {"function": {}},
    )
    many = calls(*[("echo", {"text": "hi"})] * 40)
    model = Speaker({"tool_calls": odd}, many, "Done.")
    assert model.put(strategies, tools("echo"), case()).text == "Done."
    told = [m["content"] for m in model.asked[1].messages if m["role"] == "tool"]
    assert len(told) == 3
    assert all(text.startswith("Error: there is no such tool") for text in told)
    told = [m["content"] for m in model.asked[2].messages if m["role"] == "tool"]
    assert told[3:].count("hi") == 32
    assert told[-1] == "Error: only 32 tools can be called at once."


@pytest.mark.parametrize(
    ("bound", "made"), [({"most_calls": 2}, 2), ({"most_usd": 1.2}, 3)]
)
def test_a_loop_ends_at_its_bound_and_says_so(
    strategies: Strategies, bound: dict[str, Any], made: int
) -> None:
    model = Speaker(*[calls(("echo", {"text": "again"}))] * 20)
    reply = model.put(strategies, tools("echo", **bound), case())
    assert (len(model.asked), reply.flag, reply.text) == (made, "unfinished", "")
    assert reply.cost_usd == made * 0.5


def test_dollars_bound_nothing_where_nobody_knows_them(strategies: Strategies) -> None:
    model = Speaker({**calls(("echo", {"text": "x"})), "cost_usd": None})
    with pytest.raises(ConfigError, match=r"tools: nobody knows what a call costs"):
        model.put(strategies, tools("echo", most_usd=1.0), case())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", r"cannot be imported \(module .* has no attribute 'nothing'\)"),
        ("STOCK", r"is no function; name one\."),
        ("later", r"is async; write a plain function"),
        ("anything", r"takes `\*args: 'str'`, and models give arguments by name"),
        ("of_what", r"has a parameter that is no JSON"),
    ],
)
def test_a_tool_that_cannot_be_called_gets_a_sentence(
    strategies: Strategies, name: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        strategies.prompter(tools(name))
    assert 'strategy "s": tools: the tool ' in str(caught.value)


KINDS: Sequence[Callable[[], AnswerOptions]] = (
    lambda: vote(extract="tag", corpus="kb", examples="examples.jsonl"),
    lambda: refine(corpus="kb", examples="examples.jsonl"),
    lambda: tools("echo", corpus="kb", examples="examples.jsonl"),
)


@pytest.mark.parametrize("make", KINDS)
def test_every_kind_begins_with_examples_and_passages(
    strategies: Strategies, make: Callable[[], AnswerOptions]
) -> None:
    prompter = strategies.prompter(make())
    first: Prompt = prompter.known(case("sums of tea?"))[0]
    assert [m["role"] for m in first.messages] == ["user", "assistant"] * 2 + ["user"]
    assert "even" in first.messages[-1]["content"]
    assert [passage.source for passage in first.retrieved] == ["sums.md"]


def first_requests(path: Path) -> list[Request]:
    ladder = load_ladder(path)
    strategies = Strategies(ladder)
    strategies.estimate(ladder.strategies[0])
    return strategies.known_requests(ladder.rungs[0], case())


OWN = """
from pytest_ladder import Estimate, SingleTurn, Strategy

class Mine(SingleTurn):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "options = 3",
            "the `options` of the strategy own_of_tests:Mine are no keys of a "
            "strategy; derive them from pytest_ladder.Strategy.",
        ),
        (
            "converse = lambda self, case: case.input",
            'The strategy "s" does not converse: `converse` returned a text without '
            "asking; yield prompts.",
        ),
        (
            "def converse(self, case): yield [case.input]",
            'The strategy "s" yielded a list; yield a pytest_ladder.Prompt.',
        ),
        (
            "def converse(self, case): yield case.nothing",
            "The strategy \"s\" raised AttributeError: 'Case' object has no attribute "
            "'nothing' in own_of_tests.py:5; correct it there.",
        ),
        (
            "estimate = classmethod(lambda cls, strategy, folder: 3)",
            'The strategy "s" estimates a number; return a pytest_ladder.Estimate.',
        ),
    ],
)
def test_a_class_that_keeps_no_promise_gets_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_of_tests", raising=False)
    (tmp_path / "own_of_tests.py").write_text(OWN.format(body=body))
    (tmp_path / "ladder.toml").write_text(
        '[[model]]\nname = "bot"\ntier = "off-the-shelf"\nid = "openai/bot"\n'
        '[[strategy]]\nname = "s"\nuse = "own_of_tests:Mine"\n'
    )
    with pytest.raises(ConfigError) as caught:
        first_requests(tmp_path / "ladder.toml")
    assert str(caught.value).endswith(told)


def test_the_class_of_the_docs_holds_its_conversation(
    strategies: Strategies, tmp_path: Path
) -> None:
    """With an option of its own, and replies that are asked for at once."""
    page = (Path(__file__).parents[2] / "docs/strategies.md").read_text("utf-8")
    code = page.rpartition("```python\n")[2].partition("```")[0]
    (tmp_path / "debating_of_docs.py").write_text(code)
    (tmp_path / "ladder.toml").write_text(
        '[[model]]\nname = "bot"\ntier = "off-the-shelf"\nid = "openai/bot"\n'
        '[[strategy]]\nname = "s"\nuse = "debating_of_docs:Debate"\njudges = 3\n'
    )
    ladder = load_ladder(tmp_path / "ladder.toml")
    (strategy,) = ladder.strategies
    model = Speaker("2", "Yes.", "No, 3.", "yes")
    served = model.put(strategies, strategy, case())
    assert (served.text, served.latency_s) == ("Yes.", 1.0 + 4.0)
    assert [request.draw for request in model.asked] == [0, 1, 2, 3]
    assert strategies.estimate(strategy).calls == 4
    assert not strategies.all_is_known(strategy)
    other = (tmp_path / "ladder.toml").read_text().replace("= 3", "= 2")
    (tmp_path / "other.toml").write_text(other)
    # What users met is told from what they would meet with another option.
    assert fingerprints(ladder) != fingerprints(load_ladder(tmp_path / "other.toml"))
