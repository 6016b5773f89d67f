from __future__ import annotations

import pytest


def test_half_precision_stays_near_and_the_switch_is_exact() -> None:
    import torch
    from torch import nn

    from models.half import HalfLinear, add_half

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 8))
    x = torch.randn(16, 64)
    with torch.inference_mode():
        before = network(x)
        switch = add_half(network, torch.bfloat16, least=2048)
        assert isinstance(network[0], HalfLinear)
        assert isinstance(network[1], nn.Linear), "small layers keep all digits"
        half = network(x)
        assert half.dtype == torch.float32
        assert 0 < float((half - before).abs().max()) < 0.05
        with switch.exact():
            assert torch.equal(network(x), before)
        with pytest.raises(ValueError, match="stop"), switch.exact():
            raise ValueError("stop")
        assert torch.equal(network(x), half), "an error inside leaves the switch as it was"
