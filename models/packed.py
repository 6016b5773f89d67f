"""How the n-gram table lies in a file: four bits a number, two numbers a byte, one scale a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LARGEST = 7  # numbers run from -7 to 7


def pack(numbers: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Whole numbers from -7 to 7 [n, d] as bytes [n, (d + 1) // 2]: the even column in the low half."""
    shifted = (numbers + np.int8(8)).astype(np.uint8)
    if shifted.shape[1] % 2:
        shifted = np.pad(shifted, ((0, 0), (0, 1)))
    return np.asarray(shifted[:, ::2] | (shifted[:, 1::2] << 4), np.uint8)


def unpack(packed: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.int8]:
    """What `pack` packed, [n, size] int8."""
    numbers = np.empty((len(packed), 2 * packed.shape[1]), np.int8)
    numbers[:, ::2] = packed & 15
    numbers[:, 1::2] = packed >> 4
    numbers -= 8
    return numbers[:, :size]
