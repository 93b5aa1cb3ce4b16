"""Arrays of an .npz, read without trust: nothing is unpickled, no header is believed before the bytes are counted."""

import math
import zipfile
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.readers.files import DataFile, contents, shown

Array = NDArray[np.generic]


def read_arrays(file: DataFile, needed: Sequence[str], others: Sequence[str]) -> dict[str, Array]:
    """The arrays called so, in the byte order of this machine; those among `others` where they are there.

    Raises:
        UsageError: the file is no whole .npz, lacks a needed array, or one is broken, packed as a zip bomb, or made
            of Python objects or records.
    """
    if file.member is not None:
        raise UsageError(f"{file.where}: an .npz inside a zip is not read; unpack it and give the .npz")
    members = _members(file)
    for name in needed:
        if name not in members:
            inside = ", ".join(sorted(map(shown, members))[:8])
            raise UsageError(f"{file.where}: no array {name!a}; it holds {inside or 'nothing'}")
    with contents() as content:
        return {name: _array(members[name], content(members[name])) for name in (*needed, *others) if name in members}


def _members(file: DataFile) -> dict[str, DataFile]:
    try:
        with zipfile.ZipFile(file.disk) as archive:
            infos = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UsageError(
            f"{file.where} is not a whole .npz ({shown(error)}): it may be cut short, write it again"
        ) from None
    return {
        info.filename.removesuffix(".npy"): DataFile(file.disk, info.file_size, info.filename)
        for info in infos
        if info.filename.endswith(".npy")
    }


def _array(member: DataFile, content: bytes) -> Array:
    """The array of an .npy, after its header was compared with the bytes there are."""
    stream = BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(stream)
    except Exception as error:  # a broken header may raise nearly anything
        raise UsageError(f"{member.where} is no whole array ({type(error).__name__}); write it again") from None
    if dtype.hasobject or dtype.names:
        raise UsageError(f"{member.where}: Python objects or records, which are not read; store plain numbers or text")
    rest = content[stream.tell() :]
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise UsageError(
            f"{member.where}: {len(rest):,} bytes do not fill the shape {shape} of {dtype}; write it again"
        )
    flat = np.frombuffer(rest, dtype) if dtype.itemsize else np.zeros(shape, dtype).ravel()
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)
