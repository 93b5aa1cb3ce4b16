"""A long text packed to stand in a page as printable ASCII; `page.js` unpacks it."""

import zlib

import numpy as np


def packed(text: str) -> tuple[str, int]:
    """A text as characters that may stand in any element, and the length in bytes of the zlib stream they hold.

    Each two characters are 13 bits of the stream, high bits first, as two digits of base 91 from `#` to `}`: 1.23
    characters a byte, where base64 has 1.33. `~` stands for `<`, so that nothing looks like a tag.
    """
    stream = zlib.compress(text.encode(), 9)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8))
    groups = np.pad(bits, (0, -len(bits) % 13)).reshape(-1, 13)
    values = np.packbits(np.pad(groups, ((0, 0), (3, 0))), axis=1).view(">u2").ravel()
    digits = np.stack(np.divmod(values, 91), axis=1).astype(np.uint8) + 35
    return digits.tobytes().decode("ascii").replace("<", "~"), len(stream)
