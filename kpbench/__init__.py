"""kpbench: architecture search and ablations for facial keypoint regression.

What a notebook uses: `load_faces`, `read_space`, `build`, `fit`, `evaluate_model`, `read_rows`, `figure`. Each is
imported when it is first used, so that `import kpbench` itself loads neither torch nor pandas nor plotly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kpbench.version import __version__

if TYPE_CHECKING:
    from kpbench.analysis.rows import read_rows
    from kpbench.notebook import build, evaluate_model, fit, load_faces, read_space
    from kpbench.report.figures import figure

__all__ = ["__version__", "build", "evaluate_model", "figure", "fit", "load_faces", "read_rows", "read_space"]

_ROOMS = {"read_rows": "kpbench.analysis.rows", "figure": "kpbench.report.figures"}
"""Of what needs no torch; all else is in `kpbench.notebook`, which needs neither pandas nor plotly."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kpbench' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(import_module(_ROOMS.get(name, "kpbench.notebook")), name)


def __dir__() -> list[str]:
    return list(__all__)
