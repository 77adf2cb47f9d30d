"""Thoughts that stand in a text: the tags that models write, and how they are read.

Some servers send them apart from the answer, others leave them in its text, between
tags. Only thoughts at the beginning are taken out: a tag further on is part of what the
model says. Where the chat template writes the opening tag, as those of DeepSeek and
Qwen do, the text begins with thoughts, and only their end is marked. gpt-oss speaks in
channels, of which one holds the answer.
"""

import re

import msgspec

from pytest_ladder.text.json_in_text import is_json


class _Tags(msgspec.Struct, frozen=True, kw_only=True):
    """How thoughts begin and end."""

    begin: re.Pattern[str]
    end: re.Pattern[str]
    other_ends: re.Pattern[str] | None = None
    """What ends them where `end` does not come: a model that mixes up its tags."""
    needs_end: bool = False
    """Whether it begins no thoughts without its end: it may be what the answer says."""
    alone: bool = True
    """Whether the end tells thoughts without the begin, which a template wrote."""


def _tags(begin: str, end: str, other_ends: str = "", **fields: bool) -> _Tags:
    # Only ASCII: else a dotless i counts as an i.
    flags = re.IGNORECASE | re.ASCII
    return _Tags(
        begin=re.compile(begin, flags),
        end=re.compile(end, flags),
        other_ends=re.compile(other_ends, flags) if other_ends else None,
        **fields,
    )


_NAMES = (
    # Also with what is before it: ByteDance's `seed:think`, Meituan's `longcat_think`,
    # `ant:thinking`, `inner_thoughts`, `chain_of_thought`.
    r"(?:\w{1,20}[:_])?think(?:ing)?(?:_process)?",
    r"(?:\w{1,20}[:_])?thoughts?(?:_process)?",
    r"(?:ant)?thinking",
    r"reasoning",
    r"scratch_?pad",
    r"(?:inner|internal)_monologue",
)
_NAME = "|".join(_NAMES)
# Each model family in its way, in any case of letters; tags may have attributes.
_TAGS = (
    # Of one that is shut at once, nothing was thought.
    _tags(rf"<(?:{_NAME})\s*/>", r"(?=)", alone=False),
    *(
        _tags(
            rf"<(?:{name})(?:\s[^<>]*)?>",
            rf"<\\?/(?:{name})\s*>",
            rf"</(?:{_NAME})\s*>",
        )
        for name in _NAMES
    ),
    # OpenThinker's, Cohere's, Apertus', Gemma's and MedGemma's.
    _tags(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    _tags(r"<\|start_thinking\|>", r"<\|end_thinking\|>"),
    _tags(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    _tags(r"<\|channel>thought\b", r"<channel\|>"),
    _tags(r"<unused94>thought\b", r"<unused95>"),
    _tags(r"<\|think(?:ing)?\|>", r"<\|/think(?:ing)?\|>"),
    _tags(r"\[think\]", r"\[/think\]"),
    # As a heading these are part of an answer.
    *(
        _tags(rf"\[{name}\]", rf"\[/{name}\]", needs_end=True)
        for name in ("thinking", "thoughts?", "reasoning")
    ),
    _tags("◁think▷", "◁/think▷"),
    # Granite's.
    _tags(
        r"here(?:'s| is) my thought process:",
        r"here(?:'s| is) my response:",
        needs_end=True,
        alone=False,
    ),
    # What is left of the channels of gpt-oss where a server drops their marks.
    _tags(
        r"(?-i:(?:assistant)?(?:analysis|commentary))(?=\S)",
        r"(?-i:(?<![ \t`'\"“])assistantfinal(?![ \t`'\"”.,]))",
        needs_end=True,
        alone=False,
    ),
)

_CHANNEL = re.compile(
    r"\s*(?:(?:<\|start\|>assistant)?<\|channel\|>(\w+)[^<]*"
    r"(?:<\|constrain\|>[^<]*)?|(analysis|commentary|final))<\|message\|>"
)
"""How a message of gpt-oss begins, in the format that it calls harmony.

The template may write its first words.
"""
_FINAL = re.compile(
    r"<\|end\|>(?=<\|start\|>assistant<\|channel\|>final\b[^<]*<\|message\|>)"
)
"""Where its thoughts end, if the template has begun them."""
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>|\Z")
_BLANKS = re.compile(r"[\s\ufeff\u200b]*(?:<\|im_start\|>assistant\s*)?")
_SPOKEN_OF = re.compile(
    r"[ \t]+(?:tags?|is|are|and|or|means?|marks?|begins?|starts?|opens?|ist|und|oder)\b"
)
"""What follows a tag that the answer speaks of."""
_ANSWER_BEGINS = re.compile(
    r"<\|(?:begin_of_solution|start_(?:response|text))\|>", re.IGNORECASE | re.ASCII
)
"""What some of these models write around their answer, after thoughts of theirs."""
_ANSWER_ENDS = re.compile(
    r"<\|(?:end_of_solution|end_(?:response|text))\|>\s*\Z", re.IGNORECASE | re.ASCII
)
_ENDS = "|".join(tags.end.pattern for tags in _TAGS if tags.alone)
_END_LEFT = re.compile(rf"\s*(?:{_ENDS})", re.IGNORECASE | re.ASCII)
# In quotes, or as a word of a line, it is a tag that the answer speaks of.
_END_ALONE = re.compile(
    rf"(?<![ \t`'\"“(])(?:{_ENDS})(?![`'\"”])|(?<=[ \t])(?:{_ENDS})(?=[ \t]*\n)",
    re.IGNORECASE | re.ASCII,
)


def split_tagged(text: str) -> tuple[list[str], str]:
    """Return the thoughts at the beginning of a text, and the answer behind them.

    Without thoughts the answer is the text as it is.
    """
    if _CHANNEL.match(text):
        return _split_channels(text)
    if end := _FINAL.search(text):
        return _split_channels(text, end)
    thoughts: list[str] = []
    at, mixed_up = 0, set[_Tags]()
    while found := _begin_at(text, at, mixed_up):
        begun, end = found
        thoughts.append(text[begun : end.start() if end else None])
        at = end.end() if end else len(text)
        while left := _END_LEFT.match(text, at):
            at = left.end()
    if not thoughts:
        end = _END_ALONE.search(text)
        # With a tag that begins them somewhere, the answer speaks of tags; and so it
        # does in the middle of JSON.
        speaks_of_it = end and (
            _SPOKEN_OF.match(text, end.end())
            or any(t.end.fullmatch(end[0]) and t.begin.search(text) for t in _TAGS)
            or is_json(text)
        )
        if end is None or speaks_of_it:
            return [], text
        thoughts, at = [text[: end.start()]], end.end()
    answer = text[at:].lstrip()
    if marked := _ANSWER_BEGINS.match(answer):
        answer = _ANSWER_ENDS.sub("", answer[marked.end() :])
    return thoughts, answer.lstrip()


def _begin_at(
    text: str, at: int, mixed_up: set[_Tags]
) -> tuple[int, re.Match[str] | None] | None:
    """Return where thoughts begin at a place, after blanks, and the tag that ends them.

    None: none begin there. They may have no end. `mixed_up` are the tags whose own end
    does not come any more: looking for it each time takes long in a long text.
    """
    blanks = _BLANKS.match(text, at)
    assert blanks is not None  # of any length, 0 included
    for tags in _TAGS:
        begin = tags.begin.match(text, blanks.end())
        if not begin or _SPOKEN_OF.match(text, begin.end()):
            continue
        end = None
        if tags not in mixed_up:
            end = tags.end.search(text, begin.end())
        if end is None and tags.other_ends:
            mixed_up.add(tags)
            end = tags.other_ends.search(text, begin.end())
        if end or not tags.needs_end:
            return begin.end(), end
    return None


def _split_channels(
    text: str, first_end: re.Match[str] | None = None
) -> tuple[list[str], str]:
    """Take what gpt-oss says in its channels apart: only `final` is its answer.

    `first_end` is where the first thoughts end, if nothing marks where they begin.
    """
    thoughts, at = [], 0
    if first_end:
        thoughts, at = [text[: first_end.start()]], first_end.end()
    while (begin := _CHANNEL.match(text, at)) and "final" not in begin.groups():
        end = _CHANNEL_END.search(text, begin.end())
        assert end is not None  # at the end of the text, if nowhere else
        thoughts.append(text[begin.end() : end.start()])
        at = end.end()
    answer = text[begin.end() if begin else at :]
    answer = _CHANNEL_END.split(answer, maxsplit=1)[0]
    return thoughts, answer.lstrip()
