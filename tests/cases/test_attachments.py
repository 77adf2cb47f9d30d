"""Images and files of cases: which are read, which are refused, and what is sent."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.calls.bounds import worst_usd
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.store.archive import reply_key
from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.attachments import images_in, shortened, spoken
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Model, Price, Rung, Strategy, Tier
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.strategies import Strategies

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
SHORT = f"[image/png, 70 bytes, sha256 {hashlib.sha256(PNG).hexdigest()[:12]}]"
PDF = b"%PDF-1.4\n%\xe2\xe3\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"
BOT = Model(
    name="bot",
    tier=Tier.OFF_THE_SHELF,
    id="openai/bot",
    price=Price(input=1, output=1),
    params={"max_tokens": 10},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cases"
    (folder / "pictures").mkdir(parents=True)
    monkeypatch.chdir(folder)
    files = {
        "pictures/tea.png": PNG,
        "pictures/other.png": PNG + b"more",
        "tea.txt": "Grün".encode(),
        "tea.pdf": PDF,
        "tea.wav": WAV,
        "odd.png": b"\0\1\2",
        "empty.png": b"",
        "../secret.png": PNG,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def load(folder: Path, *rows: dict[str, Any]) -> list[Case]:
    path = folder / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return load_cases("cases.jsonl", folder=folder, where="t.py")


def asked(folder: Path, case: Case, **strategy: Any) -> Request:
    ladder = Ladder(path=folder / "ladder.toml", models=(), strategies=(), rungs=())
    rung = Rung(model=BOT, strategy=Strategy(name="s", **strategy))
    (request,) = Strategies(ladder).known_requests(rung, case)
    return request


def test_images_and_files_are_parts_below_the_text(folder: Path) -> None:
    files = ["tea.txt", "tea.pdf", "tea.wav"]
    row = {"input": "Which tea?", "images": "pictures/tea.png", "files": files}
    (case,) = load(folder, row)
    (message,) = asked(folder, case, prompt="Q: {input}").messages
    text, image, plain, pdf, audio = message["content"]
    assert text == {"type": "text", "text": "Q: Which tea?"}
    assert image == {"type": "image_url", "image_url": {"url": URL}}
    assert plain["file"] == {
        "filename": "tea.txt",
        "file_data": "data:text/plain;base64,R3LDvG4=",
    }
    assert pdf["file"]["file_data"].startswith("data:application/pdf;base64,")
    encoded = base64.b64encode(WAV).decode()
    assert audio["input_audio"] == {"data": encoded, "format": "wav"}
    assert (case.images, case.files) == (("pictures/tea.png",), tuple(files))
    assert not case.metadata
    # As people read it, in the store, in recordings and in `show`: no base64.
    said = spoken(message["content"]).split("\n")
    assert said[:2] == ["Q: Which tea?", SHORT]
    assert [line.split(",")[0] for line in said[2:]] == ["[tea.txt", "[tea.pdf", "[wav"]
    assert spoken(shortened([message])[0]["content"]).split("\n") == said


def test_what_apps_attach_in_the_words_of_other_apis_is_shortened() -> None:
    encoded = URL.partition(",")[2]
    source = {"type": "base64", "media_type": "image/png", "data": encoded}
    far = {"type": "image", "source": {"type": "url", "url": "https://example.org"}}
    parts = [
        {"type": "image", "source": source},
        {"type": "input_image", "image_url": URL},
        far,
        {"type": "input_file", "filename": "a.pdf", "file_data": URL},
    ]
    (message,) = shortened([{"role": "user", "content": parts}])
    said = [part.get("text", part) for part in message["content"]]
    assert said == [SHORT, SHORT, far, SHORT.replace("image/png", "a.pdf")]
    assert images_in([{"role": "user", "content": parts}]) == 3


def test_images_in_messages_are_found_where_they_stand(folder: Path) -> None:
    part = {"url": "pictures/tea.png", "detail": "low"}
    far = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    turns = [
        {"role": "user", "content": [{"type": "image_url", "image_url": part}, far]},
        {"role": "assistant", "content": "Sencha."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]
    (case,) = load(folder, {"messages": turns})
    assert case.expected == "Yes."
    messages = asked(folder, case).messages
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    image = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
    assert messages[0]["content"] == [image, far]
    assert messages[2]["content"] == "Sure?"


def test_another_image_makes_another_case_and_another_key(folder: Path) -> None:
    rows = [
        {"input": "Which?", "images": [f"pictures/{name}.png"]}
        for name in ("tea", "other")
    ]
    first, second = load(folder, *rows)
    assert first.id != second.id
    assert first.content_hash != second.content_hash
    keys = {reply_key("bot", asked(folder, case)) for case in (first, second)}
    assert len(keys) == 2
    (folder / "pictures/tea.png").write_bytes(PNG + b"new")
    with pytest.raises(ConfigError, match=r"`pictures/tea.png` was changed while"):
        asked(folder, first)
    (changed,) = load(folder, rows[0])
    assert changed.content_hash != first.content_hash


def test_what_names_no_file_stays_in_the_metadata(folder: Path) -> None:
    (case,) = load(folder, {"input": "a", "files": {"a.py": "1"}, "images": []})
    assert case.metadata == {"files": {"a.py": "1"}}
    assert case == msgspec.structs.replace(case, attachments=())


def test_rows_in_python_have_their_files_beside_the_test(folder: Path) -> None:
    rows = [{"input": "a", "images": ["tea.png"]}]
    (case,) = load_cases(rows, folder=folder / "pictures", where="t.py")
    (again,) = load_cases([case], folder=folder / "pictures", where="t.py")
    assert again == case
    assert again.attachments[0].media_type == "image/png"


def test_an_image_is_reserved_for_whatever_its_length(folder: Path) -> None:
    (case,) = load(folder, {"input": "a", "images": ["pictures/tea.png"]})
    request = asked(folder, case)
    assert 0.05 < worst_usd(request, PriceTable()) < 0.06
    assert 4_000 < request.prompt_bytes < 4_100
    assert "base64" not in repr(request)


REFUSED = {
    "../secret.png": "leads out of the folder of the cases, and is not read; copy the "
    "file beside them.",
    "link.png": "leads out of the folder of the cases, and is not read; copy the file "
    "beside them.",
    "/etc/hostname": "leads out of the folder of the cases, and is not read; copy the "
    "file beside them.",
    "none.png": "cannot be read (No such file or directory); put the file there, or "
    "name `images` otherwise if it names no files.",
    "pictures": "is no file; name one.",
    "odd.png": "is by its content of no kind that can be sent; use PNG, JPEG, GIF or "
    "WebP.",
    "tea.pdf": "is by its content application/pdf; use PNG, JPEG, GIF or WebP.",
    "https://example.org/a.png": "is no file beside the cases; download it, and name "
    "its path.",
    "empty.png": "is empty; put the file there.",
    "large.png": "has 20,971,521 bytes, and may have 20,971,520; make it smaller.",
}


@pytest.mark.parametrize(("name", "problem"), REFUSED.items(), ids=REFUSED)
def test_a_file_that_must_not_be_sent_gets_a_sentence(
    folder: Path, name: str, problem: str
) -> None:
    with (folder / "large.png").open("wb") as large:
        large.truncate(20 * 1024**2 + 1)
    with pytest.raises(ConfigError) as caught:
        load(folder, {"input": "a"}, {"input": "b", "images": [name]})
    assert str(caught.value) == f"cases.jsonl:2: images: `{name}` {problem}"
