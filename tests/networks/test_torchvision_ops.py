"""timm can be imported here, and a healthy or absent torchvision is left alone."""

import subprocess
import sys

PROGRAM = """
import sys, types
{before}
from kpbench.networks.torchvision_ops import declare_missing_operators
print(declare_missing_operators())
{after}
"""


def answer(before, after):
    program = PROGRAM.format(before=before, after=after)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_timm_imports_and_builds():
    words = answer("", "import timm; print(timm.create_model('lcnet_050', in_chans=1, num_classes=30).num_classes)")
    assert words[-1] == "30"
    assert words[0] in ("True", "False")  # both are fine: it depends on the wheel


def test_nothing_is_declared_where_torchvision_is_healthy():
    healthy = "sys.modules['torchvision'] = types.ModuleType('torchvision'); import torch"
    assert answer(healthy, "print(hasattr(torch.ops.torchvision, 'nms'))") == ["False", "False"]


def test_nothing_is_declared_where_torchvision_is_absent():
    absent = "sys.modules['torchvision'] = None; import torch"
    assert answer(absent, "print(hasattr(torch.ops.torchvision, 'nms'))") == ["False", "False"]


def test_another_fault_of_torchvision_is_not_hidden():
    program = """
import importlib, sys
import kpbench.networks.torchvision_ops as ops
def broken(name):
    raise RuntimeError('something else')
ops.importlib = type('I', (), {'import_module': staticmethod(broken)})
try:
    ops.declare_missing_operators()
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "something else"
