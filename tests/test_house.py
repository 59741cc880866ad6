"""How tidy the house is, in counts, each with its limit: ``python tests/test_house.py [ROOT]``.

Limits only go down: a count that has become smaller gets a smaller limit in the same commit.
"""

import ast
import re
import signal
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("fer_xai", "metrics", "studies", "training")
MOST_LINES = 350
FILES = {"studies": 8, "metrics": 10}
"""Most files directly in a folder."""
BARE_OF = {"fer_xai": 0, "metrics": 0, "studies": 0, "training": 0}
"""Most docstring lines that begin with a bare "Of": they say of what, and not what."""
WITHOUT_EXAMPLE = {"fer_xai": 7, "metrics": 0, "studies": 105, "training": 17}
"""Most public functions and classes whose docstring has no example."""
OPTIONS_DECLARED_AGAIN = 28
"""Most declarations of an option that another class of ``studies`` declares too."""


def sources(root, *folders):
    """Python files of folders, outside of anything that is built or installed."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def trees(root, package):
    return map(tree, sources(root, package))


def long_files(root):
    """Lines of each file of more than MOST_LINES, the renderer of built-in faces apart."""
    found = {}
    for path in sources(root, *PACKAGES, "tests", "benchmarks"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES and "data/synthetic/" not in path.as_posix():
            found[path.relative_to(root).as_posix()] = lines
    return found


def files_in(root, folder):
    return len([*(root / folder).glob("*.py"), *(root / folder).glob("*.pyi")])


def format_skips(root):
    skip = "fmt: " + "skip"
    return sum(
        path.read_text(encoding="utf-8").count(skip)
        for path in sources(root, *PACKAGES, "tests", "benchmarks")
    )


def bare_ofs(root, package):
    """Lines of docstrings, those of attributes and options included, that begin with "Of"."""
    return sum(
        line.strip().startswith("Of ")
        for module in trees(root, package)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in node.value.value.splitlines()
    )


def options_declared(root):
    """How often each option of a study is declared; options are documented fields of classes."""
    return Counter(
        field.target.id
        for module in trees(root, "studies")
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
        for field, after in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    )


def declared_again(root):
    """Names that more than one class declares, and their declarations."""
    again = {name: count for name, count in options_declared(root).items() if count > 1}
    return len(again), sum(again.values())


def without_example(root, package):
    """Public functions and classes whose docstring has no example, and all of them."""
    public = [
        node
        for module in trees(root, package)
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    return sum(">>>" not in (ast.get_docstring(node) or "") for node in public), len(public)


def in_circles(root):
    """Modules that import themselves by way of others; imports inside of functions count too."""
    modules = {}
    for path in sources(root, *PACKAGES):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    imports = {name: imported(path, modules) - {name} for name, path in modules.items()}
    return [name for name in modules if name in reached_from(name, imports)]


def imported(path, modules):
    """Modules of ours that a file imports."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules.keys() or {node.module}
    return found & modules.keys()


def reached_from(name, imports):
    """Modules that a module imports, and that these import, and so on."""
    reached, ahead = set(), list(imports[name])
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += imports[module]
    return reached


def counts(root):
    """What is counted, how much of it there is, and how much there may be."""
    rows = [
        (f"files directly in {name}/", files_in(root, name), most) for name, most in FILES.items()
    ]
    long = long_files(root)
    in_packages = sum(name.split("/")[0] in PACKAGES for name in long)
    rows += [
        (f"files of more than {MOST_LINES} lines", len(long), 0),
        ("… of them in the packages", in_packages, ""),
        ("comments that switch the formatter off", format_skips(root), 0),
    ]
    rows += [
        (f'docstring lines with a bare "Of", {name}', bare_ofs(root, name), most)
        for name, most in BARE_OF.items()
    ]
    names, declarations = declared_again(root)
    rows += [
        ("options that several studies declare", names, ""),
        ("… and their declarations", declarations, OPTIONS_DECLARED_AGAIN),
    ]
    for name, most in WITHOUT_EXAMPLE.items():
        without, public = without_example(root, name)
        rows.append((f"public names without example, {name} (of {public})", without, most))
    return [*rows, ("modules in import circles", len(in_circles(root)), 0)]


def test_no_file_is_too_long():
    found = long_files(ROOT)
    assert not found, f"more than {MOST_LINES} lines: split {sorted(found)}"


@pytest.mark.parametrize("row", counts(ROOT), ids=lambda row: row[0])
def test_counts_keep_to_their_limits(row):
    what, count, most = row
    assert most == "" or count <= most, f"{what}: {count}, at most {most}"


LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("results/*.md"),
    *ROOT.glob("fer_xai/weights/*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    assert not [link for link in LINK.findall(text) if not (page.parent / link).exists()]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it, without a traceback
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    for what, count, most in counts(root):
        print(f"{what:<58}{count:>6}{f'  (at most {most})' if most != '' else ''}")
    for name, lines in long_files(root).items():
        print(f"{name:<58}{lines:>6} lines")
