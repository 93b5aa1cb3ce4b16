"""Lets `import timm` work where torchvision's compiled operators do not load.

A CPU build of torch beside the registry's CUDA build of torchvision cannot load torchvision's operators, and then
`import torchvision` (timm needs it) dies with "operator torchvision::nms does not exist": while it is imported it
describes two operators that nobody has declared. Declaring their schemas is enough; no network here calls them.
Where torchvision is healthy, or absent, this does nothing.
"""

import importlib
import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_library: torch.library.Library | None = None  # declarations live as long as this object


def declare_missing_operators() -> bool:
    """Makes sure torchvision can be imported; True if operators had to be declared."""
    global _library  # noqa: PLW0603
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return False
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        return False
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        _library.define(schema)
    importlib.import_module("torchvision")
    return True
