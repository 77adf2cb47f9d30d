"""The floors hold: imports point down, and the public face is what it says."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import pytest_ladder
from pytest_ladder.decide.objectives.table import OBJECTIVES

PACKAGE = Path(pytest_ladder.__file__).parent
# From the lowest floor up (docs/architecture.md): a folder imports only from folders on
# floors below its own. Rooms that come later have their floor already.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "clock", "text", "stats"),
    ("core", "disk"),
    ("cases", "decide", "calls"),
    ("checks", "prompting"),
    ("config", "judging"),
    ("real",),
    ("session", "reporting"),
    ("results", "prefetch", "integrations", "gateway", "review", "tracking"),
    ("scheduling",),
    ("collection",),
    ("plugin",),
    ("cli",),
)
MAP = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
FACE = ("__init__", "__main__")
"""The public names, which alone import from anywhere, and late; and the command."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


Trees = Mapping[Path, Sequence[ast.AST]]
"""All nodes of each module."""


# No longer than these tests: the garbage collector would look through all of it.
@pytest.fixture(scope="module")
def trees() -> Trees:
    return {
        path: tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for _, path in modules()
    }


def floor_of(module: str) -> int:
    room = module.split(".")[0]
    for floor, rooms in enumerate(FLOORS):
        if room in rooms:
            return floor
    pytest.fail(f"{module} has no floor; give {room} one in FLOORS.")


def imported(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield what a module imports of the package, also under `TYPE_CHECKING`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("pytest_ladder."):
                    yield alias.name.removeprefix("pytest_ladder."), node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            parts = node.module.split(".", 1)
            if parts[0] != "pytest_ladder":
                continue
            inside = parts[1] if len(parts) > 1 else ""
            for alias in node.names:
                name = f"{inside}.{alias.name}".lstrip(".")
                is_module = (PACKAGE / (name.replace(".", "/") + ".py")).exists()
                is_package = (PACKAGE / name.replace(".", "/")).is_dir()
                if is_module or is_package:
                    yield name, node.lineno
                elif inside:
                    yield inside, node.lineno


def test_imports_only_point_down(trees: Trees) -> None:
    wrong = []
    for module, path in modules():
        room = module.split(".")[0]
        if module in FACE:
            continue
        for other, line in imported(trees[path]):
            if other.split(".")[0] != room and floor_of(other) >= floor_of(module):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_map_shows_every_folder_on_its_floor() -> None:
    shown = [
        (int(floor) - 1, room)
        for floor, cell in re.findall(r"^\| (\d+) \| (.*?) \|", MAP, re.MULTILINE)
        for room in re.findall(r"`([a-z_]+)(?:/|\.py)`", cell)
    ]
    assert shown == [
        (floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms
    ]


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_pages_name_files_that_exist(page: str) -> None:
    text = (PACKAGE.parent / page).read_text(encoding="utf-8")
    names = set(re.findall(r"`([a-z_/]+/[a-z_]+\.(?:py|md))`", text))
    assert len(names) > 20
    for name in names:
        found = (PACKAGE / name).exists() or (PACKAGE.parent / name).exists()
        assert found, f"{page} names {name}"


def test_no_folder_has_a_circle(trees: Trees) -> None:
    """Imports inside functions and under `TYPE_CHECKING` count."""
    below: dict[str, set[str]] = {
        module: {other for other, _ in imported(trees[path])}
        for module, path in modules()
        if module not in FACE
    }
    try:
        tuple(graphlib.TopologicalSorter(below).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_root_has_at_most_four_loose_files() -> None:
    # Python wants `__main__.py` there.
    loose = sorted({path.name for path in PACKAGE.glob("*.py")} - {"__main__.py"})
    assert len(loose) <= 4, loose


def test_hooks_are_short_and_only_in_plugin(trees: Trees) -> None:
    for module, path in modules():
        for node in trees[path]:
            if not isinstance(node, ast.FunctionDef):
                continue
            if not node.name.startswith("pytest_"):
                continue
            assert module == "plugin", f"{path}:{node.lineno}"
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno or 0
            assert length - body[0].lineno < 10, f"{path}:{node.lineno} is long"


def test_every_exception_lives_in_errors(trees: Trees) -> None:
    for module, path in modules():
        if module == "errors":
            continue
        for node in trees[path]:
            if isinstance(node, ast.ClassDef):
                bases = " ".join(ast.unparse(base) for base in node.bases)
                assert not re.search(r"(Error|Exception)\b", bases), (
                    f"{path}:{node.lineno} {node.name} belongs in errors.py"
                )


def test_only_the_object_of_a_kind_knows_the_kind_of_an_objective(trees: Trees) -> None:
    for module, path in modules():
        for node in trees[path]:
            if not isinstance(node, ast.Compare | ast.Dict | ast.Match):
                continue
            kinds = {
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant)
            } & set(OBJECTIVES)
            asks = any(
                isinstance(part, ast.Attribute) and part.attr == "kind"
                for part in ast.walk(node)
            )
            if isinstance(node, ast.Dict):
                asks = len(kinds) > 1
            assert not (kinds and asks) or module == "decide.objectives.table", (
                f"{path}:{node.lineno} asks for {kinds}: ask decide/objectives/"
            )


def test_words_are_frozen_and_keyword_only(trees: Trees) -> None:
    for path in sorted((PACKAGE / "core").glob("*.py")):
        for node in trees[path]:
            if not isinstance(node, ast.ClassDef):
                continue
            if "Enum" in " ".join(ast.unparse(base) for base in node.bases):
                continue
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert given.get("frozen") == "True", f"{path}:{node.lineno}"
            assert given.get("kw_only") == "True", f"{path}:{node.lineno}"


def test_words_that_every_run_decodes_have_no_annotations_as_texts() -> None:
    """msgspec compiles each such text anew in every process: 300 of them, 30 ms."""
    words = {*(PACKAGE / "core").glob("*.py")} | {
        PACKAGE / "calls/store/stored_reply.py",
        PACKAGE / "calls/store/recordings.py",
    }
    for path in words:
        text = path.read_text(encoding="utf-8")
        late = "from __future__ import annotations" in text
        assert not (late and "(msgspec.Struct" in text), f"{path}: leave it out"


def test_the_public_face_is_sorted_and_complete() -> None:
    assert pytest_ladder.__all__ == sorted(pytest_ladder.__all__)
    for name in pytest_ladder.__all__:
        assert getattr(pytest_ladder, name).__name__ == name
    with pytest.raises(AttributeError, match="Wombat"):
        pytest_ladder.Wombat  # noqa: B018


def test_nothing_is_called_utils() -> None:
    names = {path.stem for _, path in modules()}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_time_is_read_in_one_place() -> None:
    """Tests freeze the clocks of `time`; what a call takes and costs stays real."""
    for _, path in modules():
        text = path.read_text(encoding="utf-8")
        read = re.findall(r"\btime\.(?:monotonic|perf_counter|time)(?:_ns)?\(", text)
        is_clock = path == PACKAGE / "clock.py"
        assert is_clock or not read, f"{path}: take it from pytest_ladder.clock"


def test_no_class_name_stands_twice(trees: Trees) -> None:
    """A name is one thing: who reads `Suite` need not ask of which file."""
    places: dict[str, list[str]] = {}
    for _, path in modules():
        for node in trees[path]:
            if isinstance(node, ast.ClassDef):
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                places.setdefault(node.name, []).append(place)
    twice = {name: at for name, at in places.items() if len(at) > 1}
    assert not twice, twice


def test_no_file_is_long() -> None:
    """A file answers one question; one above 400 lines answers two."""
    lengths = {
        str(path.relative_to(PACKAGE)): text.count("\n")
        for _, path in modules()
        if (text := path.read_text(encoding="utf-8"))
    }
    long = {name: lines for name, lines in lengths.items() if lines > 400}
    assert not long, long
