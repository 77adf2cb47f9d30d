"""Ids of local models lead to weights and their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pytest_ladder.calls.local import servers
from pytest_ladder.errors import LocalModelError


@pytest.mark.parametrize(
    ("model_id", "split"),
    [
        ("local/smollm2-135m", ("name", "smollm2-135m")),
        ("local/models/own.gguf", ("path", "models/own.gguf")),
        ("local/../own.GGUF", ("path", "../own.GGUF")),
        ("local//srv/own.gguf", ("path", "/srv/own.gguf")),
        ("local/smollm2-135m.gguf", ("path", "smollm2-135m.gguf")),
    ],
)
def test_an_id_is_a_name_or_a_path(model_id: str, split: tuple[str, str]) -> None:
    assert servers.split_id(model_id) == split


@pytest.mark.parametrize("model_id", ["local/", "openai/gpt-5", "smollm2-135m", ""])
def test_another_id_is_refused(model_id: str) -> None:
    with pytest.raises(LocalModelError, match=r"write local/<name> or local/<path>"):
        servers.split_id(model_id)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(LocalModelError, match=r'"smol2".* are local/smollm2-135m,'):
        servers.weights_digest("local/smol2", Path())


def test_the_digest_of_a_name_needs_no_file(cache: Path) -> None:
    assert servers.weights_digest("local/smollm2-135m", Path()).startswith("b179c952")
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_a_path_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "project" / "models").mkdir(parents=True)
    own = tmp_path / "own.gguf"
    own.write_bytes(b"weights")
    folder = tmp_path / "project"
    for model_id in ("local/../own.gguf", f"local/{own}"):
        assert servers.weights_path(model_id, folder) == own
        digest = hashlib.sha256(b"weights").hexdigest()
        assert servers.weights_digest(model_id, folder) == digest


def test_a_missing_file_is_named_where_it_was_sought(tmp_path: Path) -> None:
    for find in (servers.weights_path, servers.weights_digest):
        with pytest.raises(LocalModelError) as caught:
            find("local/models/own.gguf", tmp_path)
        assert f"not at {tmp_path}/models/own.gguf; put the file" in str(caught.value)
