from __future__ import annotations

import numpy as np
import pytest

from models.calibration import best_threshold, calibration_error, fit_platt, fit_temperature, log_loss, reliability


def drawn(n: int, heat: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels such that softmax(logits / heat) is the truth."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(n, 3)) * 2
    p = np.exp(truth) / np.exp(truth).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in p])
    return truth * heat, labels


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_a_known_temperature_is_found_and_mends_the_calibration() -> None:
    logits, labels = drawn(8000, heat=2.5)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.06)
    before, after = calibration_error(softmax(logits), labels), calibration_error(softmax(logits / 2.5), labels)
    assert before > 0.08
    assert after < 0.025
    assert log_loss(softmax(logits / 2.5), labels) < log_loss(softmax(logits), labels)


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0])
    # bins: 0.9 twice, half right (gap 0.4); 0.6 twice, always right (gap 0.4)
    assert calibration_error(p, labels) == pytest.approx(0.4)
    assert [b.n for b in reliability(p.max(axis=1), p.argmax(axis=1) == labels)] == [2, 2]
    assert np.isnan(calibration_error(np.zeros((0, 3)), np.zeros(0, int)))


def test_platt_scaling_finds_the_curve() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=6000) * 3
    labels = (rng.random(6000) < 1 / (1 + np.exp(-(0.7 * scores - 1)))).astype(int)
    a, b = fit_platt(scores, labels)
    assert a == pytest.approx(0.7, abs=0.07)
    assert b == pytest.approx(-1, abs=0.12)


def test_the_best_threshold_is_found() -> None:
    p = np.array([0.9, 0.8, 0.4, 0.35, 0.3, 0.1])
    labels = np.array([1, 1, 1, 0, 0, 0])
    threshold, f1 = best_threshold(p, labels)
    assert 0.35 < threshold <= 0.4
    assert f1 == 1
    assert best_threshold(p, np.zeros(6, int)) == (0.5, 0.0)
