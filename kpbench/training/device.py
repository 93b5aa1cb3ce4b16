"""Where and in which precision training runs."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from kpbench.errors import UsageError

THREADS = 1
"""CPU threads of a run unless more were asked for: two processes of one thread beat one of two.

The numbers depend on the count.
"""

COHORT = {"cuda": 16}
"""On a CPU a cohort would be its members in turn."""


@dataclass(frozen=True)
class Device:
    """A place to train: torch's name for it (`cpu`, `cuda`), what it is, and the precision of training steps there."""

    kind: str
    title: str
    precision: str

    @property
    def cohort(self) -> int:
        """How many seeds of one cell are best trained together here: 1 where that gains nothing."""
        return COHORT.get(self.kind, 1)

    @property
    def torch(self) -> torch.device:
        """Torch's own device."""
        return torch.device(self.kind)


def find_device(name: str = "auto") -> Device:
    """The device called `auto`, `cpu`, `cuda` or `mps`; `auto` takes an accelerator where there is one.

    Training steps run under bf16 autocast where the hardware multiplies in bf16, otherwise in fp32; scores are fp32
    everywhere.

    Raises:
        UsageError: another name, or a device that this machine does not have.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    if name not in present:
        raise UsageError(f"unknown device '{name}'. Known: auto, {', '.join(present)}")
    if not present[name]:
        raise UsageError(f"no {name} device on this machine; use --device cpu or auto")
    if name == "cuda":
        return Device(name, torch.cuda.get_device_name(), "bf16" if torch.cuda.is_bf16_supported(False) else "fp32")
    if name == "mps":
        return Device(name, platform.processor() or "Apple GPU", "fp32")
    title = str(_capabilities().get("cpu_name") or platform.processor() or platform.machine())
    return Device(name, title, "bf16" if any(map(_capabilities().get, BF16)) else "fp32")


BF16 = ("avx512_bf16", "amx_bf16")
"""Instructions with which a CPU multiplies in bf16."""


def _capabilities() -> dict[str, object]:
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 and later
    return found


def bf16_by(device: Device) -> str:
    """What multiplies in bf16 there; empty where nothing does."""
    if device.kind == "cpu":
        return ", ".join(name for name in BF16 if _capabilities().get(name))
    return "the card" if device.precision == "bf16" else ""


def card_memory() -> tuple[int, int]:
    """Bytes of the card that are free, and all."""
    free, total = torch.cuda.mem_get_info()
    return int(free), int(total)


def unseen_card() -> str:
    """Why torch does not see a card that is here; empty where it does or there is none."""
    if torch.cuda.is_available() or not Path("/proc/driver/nvidia/version").exists():
        return ""
    return "this torch is built without CUDA" if torch.version.cuda is None else "this torch cannot use it"


def put(values: torch.Tensor, place: torch.device) -> torch.Tensor:
    """Values of the processor on a device; a card goes on with what it does, and takes them when it comes to it."""
    return values.to(place, non_blocking=place.type == "cuda")


KEEP = {"M_TRIM_THRESHOLD": (-1, 1 << 30), "M_TOP_PAD": (-2, 64 << 20), "M_MMAP_THRESHOLD": (-3, 32 << 20)}
"""glibc's parameters by number and what they are set to, in bytes; the last is the largest it accepts."""


def keep_freed_memory() -> None:
    """Lets this process keep memory that it frees, where glibc's malloc is its own.

    An activation map is large enough to be given back to the system at each step and to be taken, page by page and
    zeroed, at the next: 3,000 page faults a step without this.
    """
    if platform.libc_ver()[0] == "glibc":
        for parameter, value in KEEP.values():
            ctypes.CDLL(None).mallopt(parameter, value)


@contextmanager
def threads(count: int = THREADS) -> Iterator[None]:
    """Runs with so many threads and puts the caller's number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
