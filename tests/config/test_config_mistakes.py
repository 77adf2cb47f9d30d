from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.errors import ConfigError

SMOL = """[[model]]
name = "smol"
tier = "off-the-shelf"
id = "local/smollm2-135m"
"""
REQUIRE = """[objective]
kind = "good-enough"
quality = 0.9
[[objective.require]]
"""
FIVE = """[[model]]
name = "five"
tier = "off-the-shelf"
id = "openai/gpt-5-nano"
"""


def strategy(text: str) -> str:
    return SMOL + '[[strategy]]\nname = "s"\n' + text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "a.md").write_text("Tea.")
    (tmp_path / "kb.pdf").write_text("")
    (tmp_path / "ex.jsonl").write_text('{"input": "a", "expected": "b"}\n')
    return tmp_path


def message(folder: Path, text: str, name: str = "ladder.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_ladder(folder / name)
    return str(caught.value).replace(str(folder), "DIR")


TYPES_AND_KEYS = {
    "syntax": (
        SMOL + "stream = yes\n",
        "ladder.toml:5: this is not valid TOML (Invalid value); correct this line or "
        "the one before it.",
    ),
    "a key of other letters": (
        SMOL + "params = { größe = 1 }\n",
        "ladder.toml:5: this is not valid TOML (Expected '=' after a key in a "
        "key/value pair); correct this line or the one before it; a key of more than "
        "a-z, A-Z, 0-9, _ and - stands between quotes.",
    ),
    "unknown table": (
        SMOL + '[[strateg]]\nname = "s"\n',
        "ladder.toml:5: strateg: this key is unknown; did you mean `strategy`? Known "
        "keys: `current`, `litmus`, `objective`, `model`, `strategy`, `judge`, `gate`, "
        "`experiment`, `outcome`, `review`, `gateway`, `report` and 2 more.",
    ),
    "unknown key": (
        SMOL + "price = { input = 1, output = 2, cached-input = 1 }\n",
        'ladder.toml:5: model "smol": price.cached-input: this key is unknown; did '
        "you mean `cached_input`? Known keys: `input`, `output`, `cached_input`, "
        "`cache_write`, `request`, "
        "`image`.",
    ),
    "key of the top level below a table": (
        SMOL + '[gate]\ncurrent = "smol/zero-shot"\n',
        "ladder.toml:6: gate.current: this key is unknown; `current` belongs to the "
        "top level: move it above the first [table] of the file.",
    ),
    "missing key": (
        SMOL.replace('tier = "off-the-shelf"\n', ""),
        'ladder.toml:1: model "smol": `tier` is missing; add it.',
    ),
    "missing name of the second": (
        SMOL + FIVE.replace('name = "five"\n', ""),
        "ladder.toml:5: model 2: `name` is missing; add it.",
    ),
    "wrong type": (
        SMOL + 'price = { input = "0.02", output = 1 }\n',
        'ladder.toml:5: model "smol": price.input: a text does not fit here; write a '
        "number.",
    ),
    "a truth is no number": (
        SMOL + "limits = { rpm = true }\n",
        'ladder.toml:5: model "smol": limits.rpm: true or false does not fit here; '
        "write a whole number.",
    ),
    "one bracket": (
        SMOL.replace("[[model]]", "[model]"),
        "ladder.toml:1: model: write [[model]] with two brackets, once for each model.",
    ),
    "a text for a list": (
        strategy('models = "smol*"\n'),
        'ladder.toml:7: strategy "s": models: a list is needed, not a text; write '
        '["smol*"].',
    ),
    "unknown tier": (
        SMOL.replace("off-the-shelf", "finetuned"),
        'ladder.toml:3: model "smol": tier: `finetuned` is unknown; did you mean '
        "`fine-tuned`? Choose one of `off-the-shelf`, `fine-tuned`, "
        "`continued-pretrained`, `pretrained`.",
    ),
    "unknown choice": (
        strategy('examples = "ex.jsonl"\nselect = "random"\n'),
        'ladder.toml:8: strategy "s": select: `random` is unknown; choose one of '
        "`first`, `same-cluster`, `same-tag`, `similar`.",
    ),
}

PLANNED = """[[model]]
name = "own"
tier = "pretrained"
planned = true
"""

MODELS = {
    "no id": (
        SMOL.replace('id = "local/smollm2-135m"\n', ""),
        'ladder.toml:1: model "smol": `id` is missing; add it.',
    ),
    "only planned": (
        PLANNED,
        "ladder.toml: every model is `planned`, so there is nothing to test; add a "
        "[[model]] that can be called.",
    ),
    "a plan that ships": (
        'current = "own/zero-shot"\n' + SMOL + PLANNED,
        "ladder.toml:1: current: `own/zero-shot` is planned and cannot be called; name "
        "a rung that is built, or remove `planned` of its model.",
    ),
    "a plan without a price to build": (
        SMOL + PLANNED + "build = { hours = 40 }\n",
        'ladder.toml:9: model "own": build: what building would cost is missing; add '
        "`usd`, an estimate in dollars.",
    ),
    "people's hours without a price": (
        SMOL + "build = { people_hours = 40 }\n",
        'ladder.toml:5: model "smol": build.people_hours: what an hour costs is '
        "missing; add `usd_per_hour`.",
    ),
    "a plan paid twice": (
        SMOL
        + PLANNED
        + "price = { input = 1, output = 1 }\nserve = { usd_per_hour = 1 }\n",
        'ladder.toml:10: model "own": serve: `price` and `serve` exclude each other; '
        "keep `price` for a model paid by the token and `serve` for one paid by the "
        "hour.",
    ),
    "a plan with a name that is taken": (
        SMOL + PLANNED.replace("own", "smol"),
        'ladder.toml:6: model 2: name: "smol" is already the name of model 1; rename '
        "one.",
    ),
    "no model": (
        'current = "a/b"\n',
        "ladder.toml: no model is given; add a [[model]] with `name`, `tier` and `id`.",
    ),
    "duplicate model": (
        SMOL + FIVE.replace("five", "smol"),
        'ladder.toml:6: model 2: name: "smol" is already the name of model 1; rename '
        "one.",
    ),
    "bad name": (
        SMOL.replace('"smol"', '"smol/ft"'),
        "ladder.toml:2: model 1: name: 'smol/ft' cannot be a name; use letters from "
        "A to Z, digits, `.`, `_` and `-`.",
    ),
    "a folder above as a name": (
        SMOL.replace('"smol"', '".."'),
        "ladder.toml:2: model 1: name: '..' cannot be a name, because it is that of a "
        "folder above; add a letter or a digit.",
    ),
    "a folder itself as a name": (
        SMOL + '[[strategy]]\nname = "."\n',
        "ladder.toml:6: strategy 1: name: '.' cannot be a name, because it is that of "
        "a folder above; add a letter or a digit.",
    ),
    "negative price": (
        SMOL + "price = { input = -1, output = 0.04 }\n",
        'ladder.toml:5: model "smol": price.input: -1.0 is out of range; write USD '
        "per million tokens, 0 or more.",
    ),
    "price that is no number": (
        SMOL + "price = { input = 1, output = nan }\n",
        'ladder.toml:5: model "smol": price.output: nan is out of range; write USD '
        "per million tokens, 0 or more.",
    ),
    "utilisation": (
        SMOL + "[model.serve]\nusd_per_hour = 1\nutilisation = 0\n",
        'ladder.toml:7: model "smol": serve.utilisation: 0.0 is out of range; write a '
        "share above 0, at most 1.",
    ),
    "concurrency": (
        SMOL + "limits = { concurrency = 0 }\n",
        'ladder.toml:5: model "smol": limits.concurrency: 0 is out of range; write a '
        "whole number from 1 on.",
    ),
    "price and serve": (
        SMOL + "price = { input = 1, output = 1 }\nserve = { usd_per_hour = 1 }\n",
        'ladder.toml:6: model "smol": serve: `price` and `serve` exclude each other; '
        "keep `price` for a model paid by the token and `serve` for one paid by the "
        "hour.",
    ),
    "adapter on a hosted model": (
        FIVE + 'adapter = "kb.pdf"\n',
        'ladder.toml:5: model "five": adapter: an adapter needs a local model, and '
        '"openai/gpt-5-nano" is not one; use an id that starts with `local/`, or '
        "remove `adapter`.",
    ),
    "missing adapter": (
        SMOL + 'adapter = "adapters/a.gguf"\n',
        'ladder.toml:5: model "smol": adapter: there is no file `adapters/a.gguf` '
        "(looked at DIR/adapters/a.gguf); create it or correct the path, which is "
        "relative to the configuration file.",
    ),
    "missing weights": (
        SMOL.replace("local/smollm2-135m", "local/tiny.gguf"),
        'ladder.toml:4: model "smol": id: there is no file `tiny.gguf` (looked at '
        "DIR/tiny.gguf); create it or correct the path, which is relative to the "
        "configuration file.",
    ),
    "reserved parameter": (
        SMOL + "params = { stream = true }\n",
        'ladder.toml:5: model "smol": params.stream: this is no parameter of a call; '
        "write `stream` beside `params`.",
    ),
    "a limit that is a text": (
        SMOL + 'params = { max_tokens = "x" }\n',
        "ladder.toml:5: model \"smol\": params.max_tokens: 'x' does not fit here; "
        "write a whole number from 1 on.",
    ),
    "a limit that is true": (
        SMOL + "params = { max_completion_tokens = true }\n",
        'ladder.toml:5: model "smol": params.max_completion_tokens: True does not fit '
        "here; write a whole number from 1 on.",
    ),
    "a limit among what is sent as it is": (
        SMOL + 'params = { extra_body = { max_tokens = "x" } }\n',
        "ladder.toml:5: model \"smol\": params.extra_body.max_tokens: 'x' does not fit "
        "here; write a whole number from 1 on.",
    ),
    "a judge's limit": (
        SMOL + '[judge]\nid = "openai/judge"\nparams = { max_tokens = 0 }\n',
        "ladder.toml:7: judge.params.max_tokens: 0 does not fit here; write a whole "
        "number from 1 on.",
    ),
    "temperature": (
        SMOL + 'params = { temperature = "hot" }\n',
        "ladder.toml:5: model \"smol\": params.temperature: 'hot' does not fit here; "
        "write a number that is 0 or more.",
    ),
    "timeout": (
        SMOL + "params = { timeout = 0 }\n",
        'ladder.toml:5: model "smol": params.timeout: 0 does not fit here; write a '
        "number of seconds above 0.",
    ),
    "no table to send": (
        SMOL + 'params = { extra_body = "x" }\n',
        "ladder.toml:5: model \"smol\": params.extra_body: 'x' does not fit here; "
        "write a table, such as { … }.",
    ),
    "no table of options": (
        SMOL + "params = { stream_options = 1 }\n",
        'ladder.toml:5: model "smol": params.stream_options: 1 does not fit here; '
        "write a table, such as { … }.",
    ),
    "a date as a parameter": (
        SMOL + "params = { seed = 2024-01-01 }\n",
        'ladder.toml:5: model "smol": params.seed: 2024-01-01 cannot be sent as JSON; '
        "write a text or a finite number.",
    ),
    "address without scheme": (
        FIVE + 'api_base = "localhost:8000"\n',
        'ladder.toml:5: model "five": api_base: an address starts with http:// or '
        "https://.",
    ),
    "same id at two addresses": (
        FIVE
        + FIVE.replace("five", "here")
        + 'api_base = "http://127.0.0.1:1"\nparams = { temperature = 1 }\n',
        'ladder.toml:9: model "here": api_base: model "five" has the same id at '
        "another address, and their replies would be taken for each other's; give "
        "each a `revision` of its own.",
    ),
    "a judge at another address": (
        FIVE + '[judge]\nid = "openai/gpt-5-nano"\napi_base = "http://127.0.0.1:1"\n',
        'ladder.toml:7: judge.api_base: model "five" has the same id at another '
        "address, and their replies would be taken for each other's; give each a "
        "`revision` of its own.",
    ),
    "twins": (
        SMOL + SMOL.replace('"smol"', '"twin"'),
        'ladder.toml:5: model "twin": this is a duplicate of model "smol": same id, '
        "revision, adapter and params; remove one, or give it other `params` or a "
        "`revision`.",
    ),
}

STRATEGIES = {
    "duplicate strategy": (
        strategy('[[strategy]]\nname = "s"\n'),
        'ladder.toml:8: strategy 2: name: "s" is already the name of strategy 1; '
        "rename one.",
    ),
    "stop words of an unknown language": (
        strategy('corpus = "kb"\nstopwords = "englisch"\n'),
        'ladder.toml:8: strategy "s": stopwords: `englisch` is no language that it '
        "knows; did you mean `english`? Write one of chinese, danish, dutch, english, "
        "english_plus, french, german, italian, korean, norwegian, portuguese, "
        "russian, spanish, swedish, turkish.",
    ),
    "a stemmer without a corpus": (
        strategy('stemmer = "english"\n'),
        'ladder.toml:7: strategy "s": stemmer: `stemmer` needs `corpus`; add one, or '
        "remove `stemmer`.",
    ),
    "unknown kind": (
        strategy('use = "refin"\n'),
        'ladder.toml:7: strategy "s": use: `refin` is no kind of strategy; did you '
        "mean `refine`? It is one of `single-turn`, `think`, `vote`, `refine`, "
        '`tools`, or a class of your own as "package.module:Class".',
    ),
    "a kind that is like none": (
        strategy('use = "agent"\n'),
        'ladder.toml:7: strategy "s": use: `agent` is no kind of strategy; it is one '
        "of `single-turn`, `think`, `vote`, `refine`, `tools`, or a class of your own "
        'as "package.module:Class".',
    ),
    "a class that is not there": (
        strategy('use = "nowhere_to_be_found:Mine"\n'),
        'ladder.toml:7: strategy "s": use: the strategy nowhere_to_be_found:Mine '
        "cannot be imported (No module named 'nowhere_to_be_found'); correct the name, "
        "or put the module beside the configuration file.",
    ),
    "a class of something else": (
        strategy('use = "pathlib:Path"\n'),
        'ladder.toml:7: strategy "s": use: the strategy pathlib:Path is no class of '
        "strategies; derive it from pytest_ladder.Prompter or "
        "pytest_ladder.SingleTurn.",
    ),
    "an unknown option": (
        strategy('use = "vote"\nvote = 3\n'),
        'ladder.toml:8: strategy "s": vote: this key is unknown; did you mean '
        "`votes`? Known keys: `name`, `use`, `system`, `system_file`, `prompt`, "
        "`prompt_file`, `examples`, `shots`, `select`, `corpus`, `stopwords`, "
        "`stemmer` and 11 more.",
    ),
    "an option of another kind": (
        strategy('use = "think"\nrounds = 3\n'),
        'ladder.toml:8: strategy "s": rounds: this key belongs to '
        '`use = "refine"`; write that, or remove the key.',
    ),
    "an option without its kind": (
        strategy("extract = 'tag'\n"),
        'ladder.toml:7: strategy "s": extract: this key belongs to `use = "think"`, '
        '`use = "vote"`, `use = "refine"`, `use = "tools"`; write that, or remove the '
        "key.",
    ),
    "a key of the top level below a strategy": (
        strategy('use = "think"\ncurrent = "smol/s"\n'),
        'ladder.toml:8: strategy "s": current: this key is unknown; `current` belongs '
        "to the top level: move it above the first [table] of the file.",
    ),
    "an unknown extractor": (
        strategy('use = "think"\nextract = "lastline"\n'),
        'ladder.toml:8: strategy "s": extract: `lastline` is unknown; did you mean '
        "`last-line`? Choose one of `json`, `last-line`, `regex`, `tag`.",
    ),
    "a pattern for nothing": (
        strategy('use = "think"\npattern = "x"\n'),
        'ladder.toml:8: strategy "s": pattern: `pattern` needs `extract` to be "tag", '
        '"regex" or "json"; add it, or remove `pattern`.',
    ),
    "no regular expression": (
        strategy('use = "think"\nextract = "regex"\n'),
        'ladder.toml:8: strategy "s": extract: extract = "regex" needs a `pattern`; '
        "add one.",
    ),
    "a broken regular expression": (
        strategy('use = "think"\nextract = "regex"\npattern = "(a"\n'),
        'ladder.toml:9: strategy "s": pattern: "(a" is no regular expression (missing '
        "), unterminated subpattern at position 0); correct it.",
    ),
    "no tag": (
        strategy('use = "vote"\nextract = "tag"\npattern = "<a>"\n'),
        'ladder.toml:9: strategy "s": pattern: "<a>" is no name of a tag; write it '
        'without brackets, such as "answer".',
    ),
    "no path": (
        strategy('use = "refine"\nextract = "json"\npattern = "$"\n'),
        'ladder.toml:9: strategy "s": pattern: "$" is no path; write a path such as '
        '"steps[0].answer".',
    ),
    "one vote": (
        strategy('use = "vote"\nvotes = 1\n'),
        'ladder.toml:8: strategy "s": votes: 1 is out of range; write a whole number '
        "from 2 to 1000.",
    ),
    "no rounds": (
        strategy('use = "refine"\nrounds = 0\n'),
        'ladder.toml:8: strategy "s": rounds: 0 is out of range; write a whole number '
        "from 1 to 10.",
    ),
    "an empty critique": (
        strategy('use = "refine"\ncritique = " "\n'),
        'ladder.toml:8: strategy "s": critique: it is empty; write what to ask, or '
        "remove the key.",
    ),
    "a critique with an unknown field": (
        strategy('use = "refine"\nrevise = "{draft}"\n'),
        'ladder.toml:8: strategy "s": revise: the field {draft} is unknown; known '
        "fields: `input`, `context`, `id`, `cluster`, `tags`, `choices`, "
        "`metadata.name`; write {{…}} for literal braces.",
    ),
    "no tools": (
        strategy('use = "tools"\n'),
        'ladder.toml:5: strategy "s": tools: there is no tool; write tools = '
        '["package.module:function"].',
    ),
    "a tool that names no function": (
        strategy('use = "tools"\ntools = ["shop.order"]\n'),
        'ladder.toml:8: strategy "s": tools: `shop.order` names no function; write '
        '"package.module:function".',
    ),
    "two tools of one name": (
        strategy('use = "tools"\ntools = ["a:find", "b:find"]\n'),
        'ladder.toml:8: strategy "s": tools: two tools are called `find`, and a model '
        "could not tell them apart; rename one.",
    ),
    "no bound of money": (
        strategy('use = "tools"\ntools = ["a:b"]\nmost_usd = 0\n'),
        'ladder.toml:9: strategy "s": most_usd: 0.0 is out of range; write a number '
        "above 0.",
    ),
    "unknown field": (
        strategy('prompt = "{question}"\n'),
        'ladder.toml:7: strategy "s": prompt: the field {question} is unknown; known '
        "fields: `input`, `context`, `id`, `cluster`, `tags`, `choices`, "
        "`metadata.name`; write {{…}} for literal braces.",
    ),
    "the answer in the prompt": (
        strategy('system = "Say {expected}"\n'),
        'ladder.toml:7: strategy "s": system: {expected} would show the model the '
        "answer; take it out.",
    ),
    "a prompt without a field": (
        strategy('prompt = "{{input}}"\n'),
        'ladder.toml:7: strategy "s": prompt: it shows nothing of the case, so that '
        "every case would get the same message; write {input} where the case's input "
        "belongs.",
    ),
    "missing examples": (
        strategy('examples = "examples.jsonl"\n'),
        'ladder.toml:7: strategy "s": examples: there is no file `examples.jsonl` '
        "(looked at DIR/examples.jsonl); create it or correct the path, which is "
        "relative to the configuration file.",
    ),
    "a folder of examples": (
        strategy('examples = "kb"\n'),
        'ladder.toml:7: strategy "s": examples: there is no file `kb` (looked at '
        "DIR/kb); create it or correct the path, which is relative to the "
        "configuration file.",
    ),
    "shots without examples": (
        strategy("shots = 4\n"),
        'ladder.toml:7: strategy "s": shots: `shots` needs `examples`; name the file '
        "with the examples, or remove `shots`.",
    ),
    "no shots": (
        strategy('examples = "ex.jsonl"\nshots = 0\n'),
        'ladder.toml:8: strategy "s": shots: 0 is out of range; write a whole number '
        "from 1 on.",
    ),
    "missing corpus": (
        strategy('corpus = "docs/"\n'),
        'ladder.toml:7: strategy "s": corpus: there is no file or folder `docs/` '
        "(looked at DIR/docs); create it or correct the path, which is relative to "
        "the configuration file.",
    ),
    "corpus of a kind that is not read": (
        strategy('corpus = "kb.pdf"\n'),
        'ladder.toml:7: strategy "s": corpus: `kb.pdf` is no kind of document that '
        "can be read; use `.md`, `.txt`, `.jsonl`, or a folder of them.",
    ),
    "corpus and retriever": (
        strategy('corpus = "kb"\nretriever = "gold"\n'),
        'ladder.toml:8: strategy "s": retriever: `corpus` and `retriever` exclude each '
        "other; keep `corpus` for BM25 over documents, or `retriever` for a function "
        "of your own.",
    ),
    "retriever that names no function": (
        strategy('retriever = "my.search"\n'),
        'ladder.toml:7: strategy "s": retriever: `my.search` names no function; write '
        '"package.module:function", or "gold" for the context of the case itself.',
    ),
    "top_k alone": (
        strategy("top_k = 3\n"),
        'ladder.toml:7: strategy "s": top_k: `top_k` needs `corpus` or `retriever`; '
        "add one, or remove `top_k`.",
    ),
    "top_k of gold": (
        strategy('retriever = "gold"\ntop_k = 3\n'),
        'ladder.toml:8: strategy "s": top_k: the retriever "gold" shows the whole '
        "context of a case; remove `top_k`.",
    ),
    "no passages": (
        strategy('corpus = "kb"\ntop_k = 0\n'),
        'ladder.toml:8: strategy "s": top_k: 0 is out of range; write a whole number '
        "from 1 on.",
    ),
    "a glob that matches nothing": (
        strategy('models = ["smol", "big*"]\n'),
        'ladder.toml:7: strategy "s": models[1]: `big*` matches no model; the models '
        "are `smol`.",
    ),
    "a model without strategy": (
        FIVE + strategy('models = ["smol"]\n'),
        'ladder.toml:1: model "five": no strategy is for this model; add its name to '
        "the `models` of one.",
    ),
}

WHOLE = {
    "unknown current": (
        'current = "smol/zeroshot"\n' + SMOL,
        "ladder.toml:1: current: `smol/zeroshot` is not a rung; did you mean "
        "`smol/zero-shot`? The rungs are `smol/zero-shot`.",
    ),
    "good enough without a bar": (
        SMOL + '[objective]\nkind = "good-enough"\n',
        'ladder.toml:6: objective.kind: "good-enough" needs `quality`; add it to '
        "[objective].",
    ),
    "budget without a cap": (
        SMOL + '[objective]\nkind = "budget"\nquality = 0.9\n',
        'ladder.toml:6: objective.kind: "budget" needs `usd_per_1k`; add it to '
        "[objective].",
    ),
    "value without what answers are worth": (
        SMOL + '[objective]\nkind = "value"\nright_usd = 0.05\n',
        'ladder.toml:6: objective.kind: "value" needs `wrong_usd`; add it to '
        "[objective].",
    ),
    "a right answer that is worth nothing": (
        SMOL + '[objective]\nkind = "value"\nright_usd = 0\nwrong_usd = 0\n',
        "ladder.toml:7: objective.right_usd: 0.0 is out of range; write a number above "
        "0.",
    ),
    "speed alone": (
        SMOL + '[objective]\nkind = "budget"\nusd_per_1k = 1\nbest = "speed"\n',
        "ladder.toml:8: objective.best: the fastest rung need not be right; add "
        "`quality`, or an `at_least` in [[objective.require]].",
    ),
    "speed without a budget": (
        SMOL + '[objective]\nkind = "good-enough"\nquality = 1\nbest = "speed"\n',
        'ladder.toml:8: objective.best: `best` is a word of kind = "budget"; choose '
        "that, or remove it.",
    ),
    "the best of something else": (
        SMOL + '[objective]\nkind = "budget"\nusd_per_1k = 1\nbest = "spede"\n',
        "ladder.toml:8: objective.best: `spede` is unknown; did you mean `speed`? "
        "Choose one of `quality`, `speed`.",
    ),
    "a criterion with a misspelt key": (
        SMOL + REQUIRE + "level = 'cheap'\nat_laest = 0.9\n",
        "ladder.toml:10: objective.require[0].at_laest: this key is unknown; did you "
        "mean `at_least`? Known keys: `level`, `test`, `tag`, `at_least`, "
        "`latency_p95_s`.",
    ),
    "a criterion of a misspelt level": (
        SMOL + REQUIRE + "level = 'juged'\nat_least = 0.9\n",
        "ladder.toml:9: objective.require[0].level: `juged` is unknown; did you mean "
        "`judged`? Choose one of `cheap`, `judged`, `real`.",
    ),
    "a second criterion out of range": (
        SMOL
        + REQUIRE
        + "tag = 'de'\nat_least = 0.9\n[[objective.require]]\ntag = 'x'\n"
        + "at_least = 98\n",
        "ladder.toml:13: objective.require[1].at_least: 98.0 is out of range; write a "
        "share between 0 and 1.",
    ),
    "a criterion that asks for nothing": (
        SMOL + REQUIRE + "tag = 'de'\n",
        "ladder.toml:8: objective.require[0]: it needs `at_least` or `latency_p95_s`, "
        "and not both; write a [[objective.require]] for each.",
    ),
    "a criterion that asks for two things": (
        SMOL + REQUIRE + "tag = 'de'\nat_least = 0.9\nlatency_p95_s = 2\n",
        "ladder.toml:8: objective.require[0]: it needs `at_least` or `latency_p95_s`, "
        "and not both; write a [[objective.require]] for each.",
    ),
    "a criterion about nothing": (
        SMOL + REQUIRE + "at_least = 0.9\n",
        "ladder.toml:8: objective.require[0]: it names no rows; add `level`, `test` or "
        "`tag`, or raise the `quality` of [objective].",
    ),
    "a criterion of an empty tag": (
        SMOL + REQUIRE + "tag = ''\nlevel = 'cheap'\nat_least = 0.9\n",
        "ladder.toml:9: objective.require[0].tag: it is empty; write a name.",
    ),
    "quality in percent": (
        SMOL + '[objective]\nkind = "good-enough"\nquality = 85\n',
        "ladder.toml:7: objective.quality: 85.0 is out of range; write a share "
        "between 0 and 1.",
    ),
    "margin of the gate": (
        SMOL + "[gate]\nquality_drop = -0.02\n",
        "ladder.toml:6: gate.quality_drop: -0.02 is out of range; write a share "
        "between 0 and 1.",
    ),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(*row, id=name.replace(" ", "-"))
        for table in (TYPES_AND_KEYS, MODELS, STRATEGIES, WHOLE)
        for name, row in table.items()
    ],
)
def test_a_mistake_gets_one_sentence_with_file_line_and_fix(
    folder: Path, text: str, expected: str
) -> None:
    assert message(folder, text) == expected


KEY = "sk-proj-Zm9vYmFyYmF6cXV4MTIz"


@pytest.mark.parametrize(
    "line",
    [
        f'api_key = "{KEY}"',
        'api_key = "hunter2"',
        f'api_key_env = "{KEY}"',
        f'params = {{ extra_headers = {{ Authorization = "Bearer {KEY}" }} }}',
        'params = { extra_headers = { X-Api-Key = "hunter2" } }',
        f'params = {{ user = "{KEY}" }}',
        'params = { aws_secret_access_key = "hunter2" }',
        'api_base = "https://me:hunter2@127.0.0.1/v1"',
        'api_key_env = "$hunter2"',
    ],
)
def test_a_key_in_the_file_is_refused_and_never_repeated(
    folder: Path, line: str
) -> None:
    said = message(folder, FIVE + line + "\n")
    assert said.startswith('ladder.toml:5: model "five": ')
    assert "api_key_env" in said
    assert KEY not in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "line",
    [
        'system = "Hand in the sk-learn-compatible-pipeline-of-ours."',
        'system = "Never ask for a password = or a task-1234567890123456789."',
    ],
)
def test_words_that_only_look_like_keys_pass(folder: Path, line: str) -> None:
    (folder / "ladder.toml").write_text(strategy(line + "\n"))
    assert load_ladder(folder / "ladder.toml").strategies[0].system is not None


def test_a_schema_may_have_a_property_named_like_a_key(folder: Path) -> None:
    schema = "{ properties = { password = { type = 'string' } } }"
    (folder / "ladder.toml").write_text(SMOL + f"params = {{ schema = {schema} }}\n")
    assert "schema" in load_ladder(folder / "ladder.toml").models[0].params


def test_pyproject_mistakes_name_its_line(folder: Path) -> None:
    text = (
        '[project]\nname = "x"\n[tool.pytest-ladder]\ncurrent = "no/rung"\n'
        + SMOL.replace("[[model]]", "[[tool.pytest-ladder.model]]")
    )
    said = message(folder, text, "pyproject.toml")
    assert said.startswith("pyproject.toml:4: current: `no/rung` is not a rung;")
    said = message(folder, text + "[tool.pytest-ladder.gat]\n", "pyproject.toml")
    assert said.startswith("pyproject.toml:9: gat: this key is unknown;")


def test_a_pyproject_without_the_table_says_so(folder: Path) -> None:
    said = message(folder, "[project]\nname = 'x'\n", "pyproject.toml")
    assert said == "pyproject.toml: there is no [tool.pytest-ladder] table; add one."


def test_files_that_cannot_be_read_are_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape("no.toml: there is no such file")):
        load_ladder(folder / "no.toml")
    (folder / "bad.toml").write_bytes(b"# ok\n# \xff\n")
    with pytest.raises(ConfigError, match=r"bad\.toml:2: the text is not UTF-8"):
        load_ladder(folder / "bad.toml")
    with pytest.raises(ConfigError, match="kb: the file cannot be read"):
        load_ladder(folder / "kb")
