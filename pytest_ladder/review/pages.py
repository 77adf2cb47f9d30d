"""The pages of a review as HTML; pure functions, and nothing of a reply is markup."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec

from pytest_ladder.core.review import PairReview
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.review.queue import Item
from pytest_ladder.text.untrusted import plain, with_symbols

_SIDES = {"left": ("Left", "First"), "right": ("Right", "Second")}
MOST_NOTE = 4000
"""Characters that a note may have."""

_GRADES = ("1 bad", "2", "3 acceptable", "4", "5 good")
_ANSWERED = (
    '<p role="status">You have answered this; another answer takes its place.</p>'
)
_NEXT = "Those that are needed most come here."
_BLOCKS = {"input": "What was asked", "question": "What was asked"}
"""What blocks are called on a page, where their own names say too little."""


class RaterView(msgspec.Struct, frozen=True, kw_only=True):
    """What every page of one rater shows or needs."""

    rater: str
    csrf: str
    """Goes back with every form."""
    nonce: str
    """Of this one page: only its own style and script have it."""
    done: int
    total: int
    skipped: int = 0
    shortcuts: bool = True
    can_undo: bool = False


def start_page(
    view: RaterView, item: Item, kept_in: str, needed: Sequence[str] = ()
) -> str:
    """Return the page that says what is asked of whom, and what it is `needed` for.

    `item` is the one that comes next.
    """
    go_on = "Go on" if view.done else "Start"
    what = (
        "You see what was asked and two replies; say which one is better."
        if item.is_pair
        else "You see what was asked and one reply; say what you think of it."
    )
    twice, seconds = " Some come twice.", ", and the seconds that they took"
    if isinstance(item.about, Label):
        twice = seconds = ""
    others = "Other people's answers are not shown, nor who or what wrote a reply"
    if item.others:
        twice = ""
        others = (
            "People did not agree here: you see how many said what, and decide. Who "
            "they are is not shown, nor who or what wrote a reply"
        )
    body = f"""
{_criterion(item)}
<p>You are <strong>{_line(view.rater)}</strong>. {what}</p>
<p>Each answer is saved before the next page comes, so stop when you like and go on
another day. {others}; if a reply gives that away itself, do not let it
count.{twice}</p>
{_needed([*needed, _NEXT] if needed else [])}
<p class="quiet">Saved in {_line(kept_in)}: your name as above (a pseudonym will do),
your answers and notes{seconds}; no time of day.</p>
<div class="bar">{_progress(view)}</div>
<p><a class="button main" href="/next" data-key="Enter">{go_on}</a></p>
{_keys(view, item, "/")}"""
    return _page(view, "Review", _asked(item), body)


def item_page(view: RaterView, item: Item, number: int, note: str | None = None) -> str:
    """Return the page that asks about one reply or one pair.

    `note` is that of the answer that was given already; None: there is no answer.
    """
    if item.is_pair:
        left, right = (
            _text(f"{_side(side)} reply", text, "reply")
            for side, text in zip(_SIDES, item.texts, strict=True)
        )
        replies, action = f'<div class="pair">{left}{right}</div>', f"/pair/{number}"
    else:
        replies, action = _text("Reply", item.texts[0], "reply"), f"/item/{number}"
    told = "".join(
        _text(_line(_BLOCKS.get(name, name.capitalize())), text, "told")
        for name, text in item.blocks
    )
    standard = _text("It has to meet this", item.standard, "told")
    answers = "".join(
        f'<button name="verdict" value="{value}" data-key="{keys}">'
        f"<span>{label}</span>{_kbd(shown)}</button>"
        for value, label, keys, shown in _choices(item)
    )
    body = f"""
{_criterion(item)}
<div class="bar">{_progress(view)}</div>
{"" if note is None else _ANSWERED}
<form method="post" action="{action}">{_csrf(view)}
{standard if item.standard else ""}{told}{replies}
{_others(item)}
<fieldset class="choice"><legend>Your answer</legend>
<div class="answers">{answers}
<button class="plain" name="verdict" value="skip" data-key="s">Skip{_kbd("s")}</button>
</div></fieldset>
<label for="note">Note (optional)</label>
<textarea id="note" name="note" rows="2" maxlength="{MOST_NOTE}" data-key="c">
{html.escape(note or "")}</textarea>
</form>
{_undo(view)}
{_keys(view, item, action)}"""
    return _page(view, f"{number} of {view.total}", _asked(item), body)


def done_page(view: RaterView, kept_in: str, said: Sequence[str] = ()) -> str:
    """Return the page after the last item, with what there is to say of all answers."""
    come = "it comes" if view.skipped == 1 else "they come"
    skipped = (
        f"<p>{view.skipped} skipped; {come} again in the next review.</p>"
        if view.skipped
        else ""
    )
    body = f"""
<p role="status">Thank you, {_line(view.rater)}: {view.done} of {view.total} answered,
all saved in {_line(kept_in)}. You can close this page.</p>
{skipped}{_needed(said)}
{_undo(view)}"""
    return _page(view, "Done", "Nothing is left to ask you", body)


def arriving_page(nonce: str) -> str:
    """Return the page that asks for the start anew, which then comes from this site."""
    view = RaterView(rater="", csrf="", nonce=nonce, done=0, total=0, shortcuts=False)
    body = '<p><a class="button main" href="/?again">Go on</a></p>'
    again = '<meta http-equiv="refresh" content="0;url=/?again">'
    return _page(view, "Review", "Review", body, again)


def problem_page(nonce: str, title: str, sentence: str) -> str:
    """Return a page that says what went wrong and what to do."""
    view = RaterView(rater="", csrf="", nonce=nonce, done=0, total=0, shortcuts=False)
    body = f'<p role="alert">{_line(sentence, 1000)}</p>'
    return _page(view, title, title, body)


@cache
def _asset(name: str) -> str:
    return files("pytest_ladder.review").joinpath("assets", name).read_text("utf-8")


def _page(view: RaterView, title: str, heading: str, body: str, head: str = "") -> str:
    script = (
        f'<script nonce="{view.nonce}">{_asset("review.js")}</script>'
        if view.shortcuts
        else ""
    )
    keys = "" if view.shortcuts else ' class="no-keys"'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{_line(title)}</title>
<style nonce="{view.nonce}">{_asset("review.css")}</style>
</head>
<body>
<main{keys}>
<h1 tabindex="-1" autofocus dir="auto">{_line(heading, 2000)}</h1>
{body}
</main>
{script}
</body>
</html>
"""


def _asked(item: Item) -> str:
    return "Which reply is better?" if item.is_pair else item.question


def _criterion(item: Item) -> str:
    """Return what a pair is compared by: the question about one reply."""
    return f"<p>Think of: {_line(item.question, 2000)}</p>" if item.is_pair else ""


def _choices(item: Item) -> list[tuple[str, str, str, str]]:
    """Return each answer: its value, its name, its keys, and the key that is shown."""
    if item.is_pair:
        return [
            ("left", f"{_side('left')} is better", "left", "←"),
            ("right", f"{_side('right')} is better", "right", "→"),
            ("tie", "Both as good", "t", "t"),
            ("neither", "Neither is good", "n", "n"),
        ]
    if item.graded:
        return [(name[0], name, name[0], "") for name in _GRADES]
    if item.standard:
        return [("pass", "Pass", "p y", "p"), ("fail", "Fail", "f n", "f")]
    return [("pass", "Yes", "p y", "y"), ("fail", "No", "f n", "n")]


def _progress(view: RaterView) -> str:
    return (
        f'<p role="status">{view.done} of {view.total} answered</p>'
        f'<progress max="{view.total}" value="{view.done}" aria-label="Answered">'
        "</progress>"
    )


def _keys(view: RaterView, item: Item, here: str) -> str:
    """Say the keys, and let them be switched off: screen readers need theirs.

    The switch leads back `here`.
    """
    switch = "off" if view.shortcuts else "on"
    form = (
        f'<form class="inline" method="post" action="/shortcuts">{_csrf(view)}'
        f'<input type="hidden" name="back" value="{here}">'
        f'<button class="plain" name="shortcuts" value="{switch}">Switch keys {switch}'
        "</button></form>"
    )
    if not view.shortcuts:
        return f"<p>Keys are off. {form}</p>"
    if item.is_pair:
        own = [("←", "left is better"), ("→", "right is better"), ("t", "both as good")]
        own.append(("n", "neither is good"))
    else:
        own = [("1-5", "grade")]
        if not item.graded:
            own = [(key, label.lower()) for _, label, _, key in _choices(item)]
    rest = [("s", "skip"), ("u", "take back"), ("c", "note"), ("Esc", "leave the note")]
    told = "".join(
        f"<dt><kbd>{key}</kbd></dt><dd>{what}</dd>"
        for key, what in (*own, *rest, ("?", "show this"))
    )
    return (
        f'<details><summary data-key="?">Keys</summary><dl>{told}</dl>{form}</details>'
    )


def _needed(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{_line(sentence, 1000)}</p>" for sentence in sentences)


def _others(item: Item) -> str:
    """Say how many raters gave which answer, where they differ."""
    if not item.others:
        return ""
    labels = {value: label for value, label, *_ in _choices(item)}
    if isinstance(item.about, PairReview):
        left, right = ("a", "b") if item.about.left == "a" else ("b", "a")
        labels |= {left: labels["left"], right: labels["right"]}
    counted = Counter(str(one) for one in item.others)
    said = ", ".join(f"{labels.get(o, _line(o))} ({n})" for o, n in counted.items())
    return f'<p class="others">Others have answered: {said}</p>'


def _side(side: str) -> str:
    """Name a side; on a small screen one reply stands below the other."""
    wide, narrow = _SIDES[side]
    return f'<span class="wide">{wide}</span><span class="narrow">{narrow}</span>'


def _undo(view: RaterView) -> str:
    if not view.can_undo:
        return ""
    return (
        f'<form method="post" action="/undo">{_csrf(view)}<button class="plain" '
        f'data-key="u">Take back the last answer{_kbd("u")}</button></form>'
    )


def _csrf(view: RaterView) -> str:
    return f'<input type="hidden" name="csrf" value="{view.csrf}">'


def _kbd(key: str) -> str:
    return f'<kbd aria-hidden="true">{key}</kbd>' if key else ""


def _text(name: str, text: str, kind: str) -> str:
    """Return a text from outside below its name, which is HTML."""
    shown = html.escape(with_symbols(text)) if text.strip() else "<em>(empty)</em>"
    return (
        f'<section><h2>{name}</h2><div class="{kind}" dir="auto">{shown}</div>'
        "</section>"
    )


def _line(text: str, width: int = 200) -> str:
    return html.escape(plain(text, width))
