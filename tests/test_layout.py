"""The layout of docs/decisions/0001 and 0002, kept by reading the files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.main import GROUPS

ROOT = Path(__file__).resolve().parent.parent

ARROWS: dict[str, set[str]] = {
    "protocol": set(),
    "zones": {"protocol"},
    "models": {"protocol"},
    "notifier": {"protocol"},
    "edge_agent": {"protocol", "zones", "models", "notifier"},
    "central": {"protocol", "notifier", "zones"},
    "benchmarks": {"protocol", "zones", "models", "notifier", "edge_agent", "central", "patrol"},
    "patrol": {"protocol"},
}
"""House -> the other houses that it may import."""

LONGEST_MODULE = 450
"""Lines. A module that is longer does more than one thing."""


def modules(house: str) -> Iterator[Path]:
    yield from sorted(path for path in (ROOT / house).rglob("*.py") if "__pycache__" not in path.parts)


ALL_MODULES = [path for house in ARROWS for path in modules(house)]
PACKAGES = [
    path
    for house in ARROWS
    for path in modules(house)
    # Django's own packages are found by convention, not by their exports.
    if path.name == "__init__.py" and house != "central"
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_houses(path: Path) -> Iterator[tuple[str, int]]:
    """Each of our houses that a module imports, with the line; imports inside functions count as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            targets = [node.module or ""]
        else:
            continue
        for target in targets:
            house = target.split(".")[0]
            if house in ARROWS:
                yield house, node.lineno


def is_command_line(path: Path) -> bool:
    """Whether a module is part of a command line, and may therefore use `patrol.console`."""
    return bool(re.fullmatch(r"(.*_)?cli(_.*)?", path.stem)) or "cli" in path.parent.name.split("_")


def project_files() -> list[Path]:
    """Every text file that belongs to the project: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    files = []
    for raw in listed.stdout.decode().split("\0"):
        path = ROOT / raw
        if raw and path.is_file() and b"\0" not in path.read_bytes()[:8192]:
            files.append(path)
    return files


@pytest.mark.parametrize("house", ARROWS)
def test_imports_point_one_way(house: str) -> None:
    allowed = ARROWS[house] | {house}
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in modules(house)
        for target, line in imported_houses(path)
        if target not in allowed and not (target == "patrol" and is_command_line(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_house_is_read() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(ARROWS)


def test_an_arrow_that_points_back_is_noticed(tmp_path: Path) -> None:
    culprit = tmp_path / "runtime.py"
    culprit.write_text("def start():\n    from central.cases import models\n    import patrol.console\n")
    assert list(imported_houses(culprit)) == [("central", 2), ("patrol", 3)]
    assert not is_command_line(culprit)


@pytest.mark.parametrize("path", ALL_MODULES, ids=name)
def test_modules_are_short(path: Path) -> None:
    if "migrations" in path.parts:
        return
    lines = path.read_text("utf-8").count("\n")
    assert lines <= LONGEST_MODULE, f"{name(path)} has {lines} lines: split it by what it does"


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_packages_name_their_public_names(path: Path) -> None:
    """`__all__` promises nothing that is not there, and leaves out nothing that the package passes on from its
    own modules or defines itself."""
    package = ".".join(path.parent.relative_to(ROOT).parts)
    bound, public = set(), set()
    promised: list[str] | None = None
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = {alias.asname or alias.name for alias in node.names}
            bound |= names
            # A name from elsewhere is used here, not passed on; so is one of the package's own modules.
            public |= names if (node.module or "").startswith(package + ".") else set()
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
            public.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if names == {"__all__"}:
                assert node.value is not None
                promised = ast.literal_eval(node.value)
            bound |= names
            public |= names
    public = {each for each in public if not each.startswith("_")}
    if promised is None:
        assert not {each for each in public if not each.isupper()}, "name what is public in __all__"
        return
    assert len(promised) == len(set(promised)), "a name is promised twice"
    assert public <= set(promised), "a public name is not in __all__"
    assert "__getattr__" in bound or set(promised) <= bound, "__all__ promises a name that is not there"


FORBIDDEN = {
    # Paths that exist on one machine only.
    "a path of one machine": re.compile(r"(?<![\w.$}/-])/(?:" + "work|root" + r")/[\w.]|/home/(?!<)\w"),
    # Where packages come from is the installer's business.
    "a package registry's host": re.compile(
        r"(?:files\.pythonhosted|registry\.npmjs|(?<!p)pypi)\.(?:org|python)"
    ),
    # Numbers of a tracker that readers do not have.
    "a tracker's number": re.compile(r"(?i)\bissue\s+#?\d+"),
    "work left undone": re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|XX" + r"X)\b"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_mentions(what: str) -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()[:100]}"
        for path in project_files()
        if path != Path(__file__) and path.name != "LICENSE"
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert not found, "\n".join(found)


def patrol(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "110", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-m", "patrol", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_shows_examples(group: str) -> None:
    shown = patrol(group, "--help")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"\bExamples?\b", shown.stdout), f"`patrol {group} --help` has no examples"
    _, _, examples = re.split(r"(\bExamples?\b)", shown.stdout, maxsplit=1)
    assert f"patrol {group}" in examples


def loaded_after(program: str) -> set[str]:
    """Top-level names in sys.modules after running a program in a fresh Python."""
    script = f"{program}\nimport sys\nprint('\\n' + ' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


IMPORT_ALL = """
import importlib, pkgutil
for house in {houses!r}:
    package = importlib.import_module(house)
    for found in pkgutil.walk_packages(package.__path__, house + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""


def test_the_agent_loads_neither_django_nor_what_only_extras_install() -> None:
    loaded = loaded_after(IMPORT_ALL.format(houses=["edge_agent", "zones", "models", "notifier", "protocol"]))
    assert "edge_agent" in loaded
    extras = {"django", "central", "benchmarks", "iotcore", "PIL", "onnx", "ultralytics", "torch", "uvicorn"}
    assert not loaded & extras


def test_the_centre_loads_neither_the_agent_nor_the_detector() -> None:
    loaded = loaded_after("import central.cli")
    assert "central" in loaded
    assert not loaded & {"edge_agent", "models", "benchmarks", "onnxruntime", "cv2", "av"}


def test_help_loads_no_group() -> None:
    program = "import contextlib\nwith contextlib.suppress(SystemExit):\n import patrol.main as m; m.main(['--help'])"
    loaded = loaded_after(program)
    assert not loaded & {
        "edge_agent",
        "central",
        "benchmarks",
        "models",
        "cv2",
        "onnxruntime",
        "django",
        "av",
    }
