"""Linear layers of a CPU network in half precision, with the exact weights a switch away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def multiplies_bf16(device: str) -> bool:
    """Whether the hardware multiplies bf16 itself; a CPU that does not is ten times slower in it than in fp32."""
    if device == "cpu":
        path = Path("/proc/cpuinfo")
        lines = path.read_text().splitlines() if path.is_file() else []
        return "bf16" in next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return not device.startswith("cuda") or torch.cuda.is_bf16_supported()


class Switch:
    """Says to all layers of one network which weights to use; not for two threads at once."""

    def __init__(self) -> None:
        self.half = True

    @contextlib.contextmanager
    def exact(self) -> Iterator[None]:
        """Full precision inside the block."""
        self.half = False
        try:
            yield
        finally:
            self.half = True


class HalfLinear(nn.Module):
    """A linear layer whose product is taken in half precision; what goes in and comes out stays fp32.

    Only products lose digits: residual sums and normalisations keep all of theirs, so errors do not pile up.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, switch: Switch) -> None:
        super().__init__()
        self.linear = linear
        self._switch = switch
        self._dtype = dtype
        self._weight = linear.weight.detach().to(dtype)
        self._bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        if not self._switch.half:
            return cast(Tensor, self.linear(x))
        return functional.linear(x.to(self._dtype), self._weight, self._bias).float()


def add_half(network: nn.Module, dtype: torch.dtype, *, least: int = 65_536) -> Switch:
    """Give every linear layer of at least `least` weights its half-precision copy, and answer the switch."""
    switch = Switch()
    large = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear) and child.weight.numel() >= least
    ]
    for parent, name, child in large:
        setattr(parent, name, HalfLinear(child, dtype, switch))
    return switch
