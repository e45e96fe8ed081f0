"""The layers of the package: imports point downwards, and heavy libraries stay where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "landscape"
LAYERS = (
    ("errors", "keys"),
    ("registry",),
    ("types",),
    ("parameters", "models", "data", "storage", "analysis"),
    ("evaluation", "rendering"),
    ("curvature", "reports"),
    ("directions", "inputs"),
    ("execution",),
    ("api",),
    ("demo",),
    ("commands",),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
HOMES = {
    "torch": ("parameters", "models", "data", "evaluation", "curvature", "directions", "inputs", "execution"),
    "h5py": ("storage",),
    "click": ("commands",),
    "jinja2": ("reports",),
    "rich": ("execution.progress",),
    "matplotlib": ("rendering",),
    "plotly": ("rendering",),
    "pyvista": ("rendering.vtk.worker",),
    "vtkmodules": ("rendering.vtk.worker",),
    "ray": ("execution.ray",),
}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports when it runs, inside functions, too."""
    tree = ast.parse(path.read_text())
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(home + ".") for home in homes)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_imports_point_downwards(module):
    part = module.split(".")[0]
    assert part in LEVEL, f"{part} has no layer"
    own = (name.split(".")[1] for name in imports(MODULES[module]) if name.startswith("landscape."))
    wrong = {other for other in own if other in LEVEL and other != part and LEVEL[other] >= LEVEL[part]}
    assert not wrong, f"landscape.{module} imports {wrong}"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_where_they_belong(library):
    users = {name for name, path in MODULES.items() if any(one.split(".")[0] == library for one in imports(path))}
    assert {name for name in users if not within(name, HOMES[library])} == set()


def test_only_the_renderers_draw():
    """Files named for matplotlib or plotly draw with it; everything else in rendering is arithmetic."""
    for library in ("matplotlib", "plotly"):
        users = {name for name, path in MODULES.items() if any(one.split(".")[0] == library for one in imports(path))}
        assert {name for name in users if not name.startswith(f"rendering.{library}")} == set()


def test_modules_are_small():
    """Reconsider at 300 lines; 400 is too much."""
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def imported_by(code: str, tmp_path: Path) -> set[str]:
    """The libraries that a fresh process has imported after running some code."""
    code += "\nimport sys; print('\\n' + ' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "torchvision", "numpy", "h5py", "matplotlib", "plotly", "pyvista", "rich", "timm"}
HELP = """
from landscape.commands.main import main
try:
    main(["--help"])
except SystemExit as done:
    assert done.code == 0
"""


@pytest.mark.parametrize("code", ["import landscape; landscape.__all__; dir(landscape)", HELP], ids=["import", "help"])
def test_importing_and_asking_for_help_are_light(code, tmp_path):
    assert imported_by(code, tmp_path) & HEAVY == set()


DRAW = """
import landscape
surface = landscape.load("s.h5")
landscape.check(surface)
for kind in ("1d", "2d", "3d"):
    landscape.plot(surface, kind, out=f"{kind}.png")
    landscape.plot("s.h5", kind, out=f"{kind}.html")
"""


def test_loading_checking_and_drawing_need_no_torch(tmp_path):
    from surfaces import valley

    from landscape.storage import save

    save(valley(), tmp_path / "s.h5")
    found = imported_by(DRAW, tmp_path)
    assert {"h5py", "matplotlib", "plotly"} <= found
    assert "torch" not in found
    assert len(list(tmp_path.glob("*.png"))) == len(list(tmp_path.glob("*.html"))) == 3
