"""Losses and metrics: against scikit-learn and by hand."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from memsim.errors import InputError
from memsim.learn.losses import END_POINT, LOSSES, loss_of, make_loss, weights_of
from memsim.learn.metrics import METRICS, OF_NUMBERS, chosen_metrics, confusion

seeds = st.integers(0, 2**16)


def drawn(seed: int, classes: int = 4, count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, classes, generator=generator)
    return outputs, torch.randint(classes, (count,), generator=generator)


@given(seeds)
def test_metrics_of_classes_are_those_of_scikit_learn(seed: int):
    outputs, wanted = drawn(seed)
    guesses = outputs.argmax(1).numpy()
    of = {"accuracy": "accuracy_score", "balanced-accuracy": "balanced_accuracy_score"}
    for name, theirs in of.items():
        # sums of 50 numbers in float64
        assert METRICS[name](outputs, wanted) == pytest.approx(
            getattr(sklearn.metrics, theirs)(wanted, guesses), rel=1e-12
        )
    counts = confusion(outputs, wanted)
    np.testing.assert_array_equal(counts, sklearn.metrics.confusion_matrix(wanted, guesses, labels=range(4)))
    assert counts.sum() == 50


@given(seeds, st.integers(1, 3))
def test_metrics_of_numbers_are_those_of_scikit_learn(seed: int, outputs_a_line: int):
    outputs, _ = drawn(seed, outputs_a_line)
    wanted, _ = drawn(seed + 1, outputs_a_line)
    pairs = wanted.double().numpy(), outputs.double().numpy()
    wanted_r2 = sklearn.metrics.r2_score(*pairs, multioutput="variance_weighted")
    assert METRICS["r-squared"](outputs, wanted) == pytest.approx(wanted_r2, rel=1e-5, abs=1e-5)  # float32
    error = METRICS["root-mean-square-error"](outputs, wanted)
    assert error == pytest.approx(np.sqrt(sklearn.metrics.mean_squared_error(*pairs)), rel=1e-5)


@given(seeds)
def test_balanced_weights_are_those_of_scikit_learn(seed: int):
    _, wanted = drawn(seed)
    if len(wanted.unique()) < 4:
        return
    theirs = compute_class_weight("balanced", classes=np.arange(4), y=wanted.numpy())
    np.testing.assert_allclose(weights_of(wanted, 4, "balanced"), theirs, rtol=1e-6)  # float32


def test_the_loss_of_a_study_that_says_nothing_is_plain_cross_entropy_to_the_last_digit():
    outputs, wanted = drawn(0)
    assert make_loss(wanted, 4)(outputs, wanted) == cross_entropy(outputs, wanted)
    assert make_loss(wanted, 4, smoothing=0.1)(outputs, wanted) == cross_entropy(
        outputs, wanted, label_smoothing=0.1
    )


def test_a_weight_scales_the_share_of_its_class():
    outputs, wanted = drawn(1)
    each = cross_entropy(outputs, wanted, reduction="none")
    weights = torch.tensor([1.0, 5.0, 0.5, 2.0])
    by_hand = (each * weights[wanted]).sum() / weights[wanted].sum()
    weighted = make_loss(wanted, 4, class_weights=(1.0, 5.0, 0.5, 2.0))(outputs, wanted)
    assert weighted == pytest.approx(float(by_hand), rel=1e-6)  # float32


@given(seeds, st.integers(1, 6))
def test_the_end_point_error_is_the_mean_length_of_what_is_wrong(seed: int, places: int):
    outputs, wanted = drawn(seed, 2 * places)[0], drawn(seed + 1, 2 * places)[0]
    by_hand = np.hypot(*(outputs - wanted).numpy().reshape(-1, 2, places).swapaxes(0, 1)).mean()
    assert METRICS[END_POINT](outputs, wanted) == pytest.approx(by_hand, rel=1e-5)  # float32


@pytest.mark.parametrize("name", sorted(OF_NUMBERS))
def test_numbers_that_are_not_known_change_no_metric(name: str):
    outputs, wanted = drawn(6, 2)[0], drawn(7, 2)[0]
    more = torch.cat([wanted, torch.full_like(wanted, torch.nan)])
    # another order of summing in float32
    assert METRICS[name](torch.cat([outputs, 5 * outputs]), more) == pytest.approx(
        METRICS[name](outputs, wanted), rel=1e-5
    )


@pytest.mark.parametrize("name", ["mean-square-error", "mean-absolute-error", "huber", END_POINT])
def test_numbers_that_are_not_known_have_no_slope(name: str):
    outputs, wanted = drawn(8, 2)[0].requires_grad_(), drawn(9, 2)[0]
    wanted[:10] = torch.nan
    (slope,) = torch.autograd.grad(LOSSES[name](outputs, wanted), outputs)
    assert not slope[:10].any()
    assert slope[10:].all()
    (slope,) = torch.autograd.grad(LOSSES[name](outputs, torch.full_like(wanted, torch.nan)), outputs)
    assert not slope.any()


@pytest.mark.parametrize("wanted", [torch.zeros(3, dtype=torch.long), torch.zeros(3, 3)])
def test_the_end_point_error_is_of_velocities(wanted: torch.Tensor):
    with pytest.raises(InputError, match=r"two numbers for each place|metric 'end-point-error' does not fit"):
        chosen_metrics([END_POINT], wanted)
    with pytest.raises(InputError, match="two numbers for each place"):
        make_loss(wanted, 3, loss=END_POINT)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {END_POINT}))
def test_a_loss_is_smallest_where_the_network_is_right_and_leads_there(name: str):
    outputs, wanted = drawn(2)
    loss = make_loss(wanted, 4, loss=name)
    right = torch.nn.functional.one_hot(wanted, 4).float() * (20 if name == "cross-entropy" else 1)
    assert loss(right, wanted) < 1e-3 < loss(outputs, wanted)
    outputs.requires_grad_()
    (slope,) = torch.autograd.grad(loss(outputs, wanted), outputs)
    assert loss(outputs - 0.1 * slope, wanted) < loss(outputs, wanted)


def test_numbers_take_losses_of_numbers_only():
    outputs, wanted = drawn(3)[0], drawn(4)[0]
    assert loss_of(outputs, wanted) == torch.nn.functional.mse_loss(outputs, wanted)
    with pytest.raises(InputError, match=r"'cross-entropy' is for classes.*allowed: end-point-error, huber"):
        make_loss(wanted, 4, loss="cross-entropy")
    with pytest.raises(InputError, match="with class weights is for classes"):
        make_loss(wanted, 4, class_weights="balanced")


def test_a_loss_that_is_added_has_a_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(LOSSES, "count", lambda outputs, _: outputs.sum())
    outputs, wanted = drawn(5)
    assert make_loss(wanted, 4, loss="count")(outputs, wanted) == outputs.sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_area_under_the_curve_is_that_of_scikit_learn(seed: int):
    draw = torch.Generator().manual_seed(seed)
    wanted = torch.randint(2, (200,), generator=draw)
    outputs = torch.randint(5, (200, 2), generator=draw).double()  # so that many are equal
    expected = sklearn.metrics.roc_auc_score(wanted, outputs[:, 1] - outputs[:, 0])
    assert METRICS["area-under-curve"](outputs, wanted) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="there are 1 of 2; allowed: 2 of 2"):
        METRICS["area-under-curve"](outputs, torch.zeros(200, dtype=torch.int64))


def test_the_mean_of_one_example_is_that_of_its_numbers():
    wanted = torch.tensor([[0.0, 1.0, torch.nan, 1.0]])
    assert METRICS["r-squared"](wanted.nanmean().expand(1, 4), wanted) == pytest.approx(0, abs=1e-6)
    assert METRICS["r-squared"](wanted.nan_to_num(), wanted) == 1
