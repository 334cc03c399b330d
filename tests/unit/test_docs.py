"""The documents stand on each other and on the tree: links, paths, commands, form."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
TEXT = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}

_FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
_XUELIAN = re.compile(r"\bxuelian((?: [a-z][a-z-]*)+)")
_ROW = re.compile(r"^\|(.+)\|$", flags=re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def slug_of(heading: str) -> str:
    """The anchor that a forge makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(path: Path) -> set[str]:
    prose = _FENCE.sub("", TEXT[path])
    return {slug_of(heading) for heading in re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)}


def code_of(text: str) -> str:
    """What stands in fences and in code spans: there a command is meant as one."""
    fences = _FENCE.findall(text)
    return "\n".join([*fences, *_SPAN.findall(_FENCE.sub("", text))])


def tracked_text() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue  # deleted in the work tree and still in the index
        try:
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture


def test_there_are_documents() -> None:
    names = {name_of(path) for path in DOCUMENTS}
    assert {
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/api.md",
        "docs/architecture.md",
        "docs/glossary.md",
        "docs/operations.md",
        "docs/rules.md",
    } <= names
    assert len(DECISIONS) >= 11


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", TEXT[path])):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{name_of(path)}: {link}"
        if anchor:
            assert anchor in anchors_of(found), f"{name_of(path)}: {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_paths_that_are_named_exist(path: Path) -> None:
    """A path of this tree in code; what a command writes (`build/`) is not there yet."""
    tops = {entry.name for entry in ROOT.iterdir()} - {"build"}
    for span in _SPAN.findall(_FENCE.sub("", TEXT[path])):
        is_file = Path(span).suffix in {".md", ".toml", ".yml", ".py", ".sql", ".svg"}
        is_ours = "/" in span and (span.split("/")[0] in tops or is_file)
        if (is_ours or is_file) and _PATH.fullmatch(span):
            assert list(ROOT.glob(span.rstrip("/"))), f"{name_of(path)}: {span}"


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    used = {target for text in TEXT.values() for target in _MAKE.findall(code_of(text))}
    assert {"demo", "test"} <= used
    assert used <= targets, used - targets


def test_commands_of_xuelian_exist() -> None:
    root = get_command(app)
    used = {call for text in TEXT.values() for call in _XUELIAN.findall(code_of(text))}
    assert used
    for call in sorted(used):
        command = root
        for word in call.split():
            if not isinstance(command, TyperGroup):
                break  # from here on they are arguments
            assert word in command.commands, f"xuelian{call}"
            command = command.commands[word]


def test_both_languages_of_the_readme_say_the_same() -> None:
    text = TEXT[ROOT / "README.md"]
    _, chinese, english = re.split(r"^## (?:中文|English)$", text, flags=re.MULTILINE)
    for pattern in (_MAKE, _XUELIAN):
        told = [set(pattern.findall(code_of(part))) for part in (chinese, english)]
        assert told[0] <= told[1]
        assert told[0]
    documents = [
        {link for link in _LINK.findall(part) if link.startswith("docs/")}
        for part in (chinese, english)
    ]
    assert documents[0] == documents[1]
    assert "docs/architecture.svg" in text


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_has_its_sections(path: Path) -> None:
    text = TEXT[path]
    number, title = path.stem[:4], text.splitlines()[0]
    assert title.startswith(f"# {number} ")
    assert " · " in title
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Revisit when",
    ]
    for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(section.split()) > 10, f"{name_of(path)}: an empty section"


def test_decisions_are_numbered_and_listed() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    # A number may be taken for a record that is still being written.
    assert len(set(numbers)) == len(numbers)
    listed = set(_LINK.findall(TEXT[ROOT / "docs" / "architecture.md"]))
    assert {f"decisions/{path.name}" for path in DECISIONS} <= listed


def test_the_glossary_has_both_languages() -> None:
    rows = [
        [cell.strip() for cell in row.split("|")]
        for row in _ROW.findall(TEXT[ROOT / "docs" / "glossary.md"])
    ]
    terms = [row for row in rows if row[0] != "中文" and not set(row[0]) <= {"-"}]
    assert len(terms) > 50
    for row in terms:
        chinese, english, meaning = row
        assert re.search(r"[\u4e00-\u9fff]", chinese), row
        assert re.search(r"[A-Za-z]", english), row
        assert not re.search(r"[\u4e00-\u9fff]", english), row
        assert meaning, row
    assert len({row[0] for row in terms}) == len(terms), "a term stands twice"


# Written in two parts, so that this file does not find itself.
_HOSTS = re.compile(
    "|".join(
        re.escape(first + second)
        for first, second in (
            ("pypi.", "org"),
            ("python", "hosted.org"),
            ("repo1.", "maven.org"),
            ("repo.", "maven.apache.org"),
            ("registry.", "npmjs.org"),
            ("proxy.", "golang.org"),
            ("deb.", "debian.org"),
            ("crates.", "io"),
            ("mirrors.", "aliyun.com"),
            ("tuna.", "tsinghua.edu.cn"),
        )
    )
)
_MACHINE = re.compile(r"(?<![\w.>}/-])/(?:work|root|Users|home/[a-z]+|tmp)/[\w.]")


def test_no_registry_and_no_machine_is_named() -> None:
    looked_at = 0
    found = []
    for name, text in tracked_text():
        looked_at += 1
        for pattern in (_HOSTS, _MACHINE):
            found += [f"{name}: {hit.group()}" for hit in pattern.finditer(text)]
    assert looked_at > 100
    assert not found
