"""A metric, a data set and a study are one file each: those of CONTRIBUTING.md, in a copy."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_house import counts

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
USE = """
import doctest, importlib, sys
import fer_xai, metrics, torch
import numpy as np
from pathlib import Path
from fer_xai.emotions import SIX
from studies import audit
from studies.registry import STUDIES
from tests.helpers import tiny_model

here = Path.cwd()
for package in (fer_xai, metrics):
    assert Path(package.__file__).is_relative_to(here), package.__file__

model = fer_xai.Predictor(tiny_model(), device="cpu", batch_size=6)
images = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
np.savez("own.npz", images=images, emotions=["happy", "Su", "sadness", "angry", "DISGUST", "fear"])
faces = fer_xai.load_dataset("arrays:own.npz", split="test")
assert faces.name == "own" and list(faces.table["emotion"]) == list(SIX)
assert (faces.pixels(64).permute(0, 2, 3, 1).numpy() == images).all()

explanation = fer_xai.explain(model, faces, method="saliency")
names = ["first_drop", "brightest"]
assert set(names) <= set(metrics.METRICS)
frame = metrics.evaluate(model, faces, explanation, names)
assert frame["value"].notna().all() and list(frame["metric"].unique()) == names
found = metrics.first_drop(model, faces.images, explanation.maps, explanation.targets)
torch.testing.assert_close(found.float(), torch.tensor(frame["value"][:6].to_numpy()).float())

report = audit(model, faces, methods=["saliency"], metrics=names, controls=["centre"], anyway=True)
assert set(names) <= set(report.frame["metric"])

folder = STUDIES["brightness"](data="arrays:own.npz").run()
assert (folder / "tables" / "brightness.csv").read_text().count("\\n") == 7

for name in sys.argv[1:]:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed, (name, found)
"""
PLUGIN = """
from metrics import MetricSpec

SPEC = MetricSpec(
    name="brightest",
    fn=lambda maps: maps.flatten(1).amax(dim=1),
    family="complexity",
    higher_is_better=None,
    bounds=(0.0, float("inf")),
    needs=("maps",),
    reference="Its own",
)
"""


def blocks():
    """Code of CONTRIBUTING.md by the file that its first line names; the others by themselves."""
    found = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    return {
        code.partition("\n")[0].removeprefix("# "): code.partition("\n")[2] or code
        for code in found
    }


def files():
    return [name for name in blocks() if name.endswith(".py")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the packages with the files of CONTRIBUTING.md, and an installed plugin beside."""
    place = tmp_path_factory.mktemp("copy")
    for package in ("fer_xai", "metrics", "studies", "training"):
        ignored = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(ROOT / package, place / package, ignore=ignored)
    (place / "tests").mkdir()
    for name in ("__init__.py", "helpers.py"):
        shutil.copy2(ROOT / "tests" / name, place / "tests" / name)
    for name, code in blocks().items():
        if name in files():
            (place / name).write_text(code, encoding="utf-8")
        else:
            assert name.startswith("from .faithfulness.first_drop import")
            with (place / "metrics" / "__init__.pyi").open("a", encoding="utf-8") as stub:
                stub.write(code)
    (place / "a_plugin.py").write_text(PLUGIN)
    plugin = place / "a_plugin-1.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: a-plugin\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text("[fer_xai.metric]\nbrightest = a_plugin:SPEC\n")
    return place


def run(copy, *words, cwd=None):
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd or copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_one_file_each_is_enough(copy):
    modules = [name.removesuffix(".py").replace("/", ".") for name in files()]
    run(copy, "-c", USE, *modules)


def test_a_study_is_listed_with_its_question(copy):
    assert re.search(
        r"^brightness +Which emotion is shown by the brightest faces\?$",
        run(copy, "-m", "studies.run", "--list"),
        re.MULTILINE,
    )


def test_types_of_the_files_are_right(tmp_path):
    pytest.importorskip("mypy")
    for name in files():  # alone, so that the packages' own types are not worked out again
        (tmp_path / Path(name).name).write_text(blocks()[name], encoding="utf-8")
    words = ["-m", "mypy", "--config-file", "pyproject.toml", *map(str, tmp_path.iterdir())]
    run(tmp_path, *words, cwd=ROOT)


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_files_are_as_the_linter_wants_them(copy, words):
    pytest.importorskip("ruff")
    run(copy, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml"), *files())


def test_the_house_stays_as_tidy(copy):
    over = [row for row in counts(copy) if row[2] != "" and row[1] > row[2]]
    assert not over


def test_a_metric_takes_twenty_lines_of_code():
    code = blocks()["metrics/faithfulness/first_drop.py"]
    module = ast.parse(code)
    documented = [module, *(node for node in module.body if isinstance(node, ast.FunctionDef))]
    docstrings = [node.body[0] for node in documented]
    said = {n for one in docstrings for n in range(one.lineno, one.end_lineno + 1)}
    lines = enumerate(code.splitlines(), start=1)
    assert sum(bool(line.strip()) and number not in said for number, line in lines) <= 20
