"""Cases from YAML, which keep the text of what only YAML takes for a number.

An expected answer "no" that turns into False, or "12:30" into 750, would fail every
test, and nobody sees why. So only what is plainly a whole number, a number with a
point, true, false or null is one; all else is the text that stands there. And so is a
number with a point that would be printed otherwise: a version 3.10 is no 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_ladder.cases.exports import LISTS, from_document
from pytest_ladder.cases.files import FileRow, Rows, not_a_list
from pytest_ladder.errors import ConfigError

_TAG = "tag:yaml.org,2002:"
_FLOAT = _TAG + "float"
# Python makes no number of more than 4,300 digits.
_NUMBERS = (
    ("int", re.compile(r"(?:0|-?[1-9][0-9]{0,3999})\Z"), list("-0123456789")),
    ("float", re.compile(r"-?(?:0|[1-9][0-9]*)?\.[0-9]+\Z"), list("-.0123456789")),
)
_WORDS = ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_MAY_DIFFER = frozenset("+-.0123456789=<")
"""How scalars begin that the first release took for something else."""
_DEEPEST = 500
"""More levels than a case has; libyaml crashes, and Python gives up, at some more."""
_MOST_NODES = 5_000_000
"""What the aliases of a file may stand for: ten lines can name a billion nodes."""
_NESTING = re.compile(r"(?m)^[ \t?:-]+")


def yaml_rows(text: str, label: str) -> Rows:
    """Yield the rows of a YAML list, or of a document of another tool."""
    import yaml

    try:
        _check_depth(text, label)
        yield from _rows(text, label)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"{label}{line}: the file is not valid YAML ({problem}); {_fix(problem)}."
        ) from error
    except RecursionError as error:
        raise _too_deep(label, 1) from error


def _fix(problem: str) -> str:
    if "another document" in problem:
        return "put all cases into one list, without `---` between"
    if "cannot start any token" in problem:
        return "put the text in quotes"
    return "correct the line, and put texts that hold `: ` or `#` in quotes"


def _rows(text: str, label: str) -> Rows:
    import yaml

    loader, old = _loader()(text), _first_loader()("")
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if "&" in text:
            _check_aliases(root, label)
        _check_keys(root, label)
        rest: dict[str, Any] = {}
        items = root
        if isinstance(root, yaml.MappingNode):
            items = _named_list(root) or root
            if items is not root:
                others = [pair for pair in root.value if pair[1] is not items]
                left = yaml.MappingNode(root.tag, others, root.start_mark)
                rest = loader.construct_object(left, deep=True)
        if not isinstance(items, yaml.SequenceNode):
            mapping = isinstance(root, yaml.MappingNode)
            raise not_a_list(label, "an object" if mapping else "a single value")
        for item in items.value:
            value = loader.construct_object(item, deep=True)
            line = item.start_mark.line + 1
            if items is root:
                yield FileRow(line, value, _before(item, loader, old))
            else:
                for each in from_document(value, rest):
                    yield FileRow(line, each)
    finally:
        loader.dispose()
        old.dispose()


def _named_list(root: Any) -> Any:
    """Return the list of cases of a document that other tools write, or None."""
    import yaml

    for key, value in root.value:
        is_list = isinstance(value, yaml.SequenceNode) and value.value
        if key.value in LISTS and is_list:
            return value
    return None


def _before(item: Any, loader: Any, old: Any) -> Any:
    """Return the value as the first release read it; None: it is the same."""
    import yaml

    differing = {}
    for node in _scalars(item):
        now, before = (
            reader.resolve(yaml.ScalarNode, node.value, (True, False))
            for reader in (loader, old)
        )
        # What bears a tag of the user's own keeps it.
        if before != now == node.tag:
            differing[node] = before
    if not differing:
        return None
    now = {node: node.tag for node in differing}
    try:
        for node, tag in differing.items():
            node.tag = tag
        return old.construct_object(item, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError):
        # It could not read this at all.
        return None
    finally:
        for node, tag in now.items():
            node.tag = tag


def _scalars(item: Any) -> Iterator[Any]:
    """Yield the scalars without quotes below a node that may be read in two ways."""
    seen, stack = set(), [item]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack += node
        elif isinstance(node.value, list):
            if id(node) not in seen:
                seen.add(id(node))
                stack += node.value
        elif not node.style and node.value[:1] in _MAY_DIFFER:
            yield node


def _loader() -> Any:
    """Return a safe loader that makes numbers of plain numbers only."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    kept = {_TAG + "null", _TAG + "merge"}

    class PlainLoader(base):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own attribute)
            first: [(tag, form) for tag, form in rules if tag in kept]
            for first, rules in base.yaml_implicit_resolvers.items()
        }

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            """Return the tag of a node that bears none."""
            tag = super().resolve(kind, value, implicit)
            if tag == _FLOAT and repr(float(value)) != value:
                return _TAG + "str"
            return tag

    for name, form, starts in (*_NUMBERS, _WORDS):
        PlainLoader.add_implicit_resolver(_TAG + name, form, starts)
    # `<<` as a value, and a date that says so, are texts as well.
    for name in ("merge", "timestamp", "value"):
        PlainLoader.add_constructor(_TAG + name, base.construct_yaml_str)
    return PlainLoader


def _first_loader() -> Any:
    """Return the loader of the first release, to know what it read.

    It left dates, `yes` and `no` the texts they are, and nothing else.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    left_alone = {_TAG + "timestamp", _TAG + "bool"}

    class FirstReleaseLoader(base):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own attribute)
            first: [(tag, form) for tag, form in rules if tag not in left_alone]
            for first, rules in base.yaml_implicit_resolvers.items()
        }

    name, form, starts = _WORDS
    FirstReleaseLoader.add_implicit_resolver(_TAG + name, form, starts)
    return FirstReleaseLoader


def _check_depth(text: str, label: str) -> None:
    """Refuse what is nested so deeply that libyaml would crash the process.

    A level takes a bracket, or a column of its line or of one above: where there are
    few of both, the parser need not be asked.
    """
    import yaml

    longest = max((len(start) for start in _NESTING.findall(text)), default=0)
    if 2 * longest + text.count("[") + text.count("{") < _DEEPEST:
        return
    depth = line = 0
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(text, Loader=base):
        line = event.start_mark.line + 1 if event.start_mark else line
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise _too_deep(label, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_aliases(root: Any, label: str) -> None:
    """Refuse aliases that stand for more than a file could hold, or for themselves."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if isinstance(node, tuple):
            return sum(map(size, node))
        if not isinstance(node.value, list):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = _MOST_NODES + 1  # of what holds itself
            sizes[id(node)] = 1 + sum(map(size, node.value))
        return sizes[id(node)]

    if size(root) > _MOST_NODES:
        raise ConfigError(
            f"{label}: its aliases (`*name`) stand for more than {_MOST_NODES:,} "
            "values, or for themselves; write out what they stand for."
        )


def _check_keys(root: Any, label: str) -> None:
    """Refuse a key that stands twice, of which YAML would take the last in silence.

    And a word between commas: `{expected: 1,000}` is 1, beside a key `000`.
    """
    import yaml

    seen, stack = set(), [root]
    while stack:
        node = stack.pop()
        if id(node) in seen or not isinstance(node.value, list):
            continue
        seen.add(id(node))
        if not isinstance(node, yaml.MappingNode):
            stack += node.value
            continue
        lines: dict[str, int] = {}  # where each key stood first
        for key, value in node.value:
            stack.append(value)
            name, line = key.value, key.start_mark.line + 1
            # Several texts may be merged (`<<`) into one case.
            if not isinstance(name, str) or name == "<<":
                continue
            if name in lines:
                raise ConfigError(
                    f"{label}:{line}: `{name}` stands in line {lines[name]} already, "
                    "for the same case or object; keep one of the two."
                )
            lines[name] = line
            if value.value == "" and value.start_mark.index == key.end_mark.index:
                raise ConfigError(
                    f"{label}:{line}: `{name}` has no value; put a text that holds "
                    "commas in quotes, and write `: ` behind a key."
                )


def _too_deep(label: str, line: int) -> ConfigError:
    return ConfigError(
        f"{label}:{line}: the file is nested too deeply; a case has at most "
        f"{_DEEPEST} levels."
    )
