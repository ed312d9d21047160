from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import rgb_to_hsv
from matplotlib.figure import Figure

from memsim import plots
from memsim.errors import InputError
from memsim.imc.amplifiers import AmplifierFigures

TIME = np.linspace(0, 200e-6, 401)
SPIKES = np.exp(-(((TIME - 100e-6) / 5e-6) ** 2))


@dataclass
class Epoch:
    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


def waves(offset: float = 0.0) -> xr.Dataset:
    signals = {
        "v(mem)": ("V", 0.04 * SPIKES - 0.012 + offset),
        "v(xm1.x)": ("1", SPIKES),
        "v(xm2.x)": ("1", 0.5 * SPIKES),
        "g(xm1)": ("S", 8e-5 * SPIKES),
        "i(xm1)": ("A", 4e-6 * SPIKES),
        "i(iin)": ("A", 5e-6 * np.sin(TIME * 1e5)),
        "v(xm1)": ("V", np.sin(2 * np.pi * TIME / TIME[-1])),
    }
    data = {name: ("time", values, {"units": unit}) for name, (unit, values) in signals.items()}
    return xr.Dataset(data, coords={"time": ("time", TIME, {"units": "s"})})


AMPLIFIER = AmplifierFigures(
    offset=8e-3,
    offset_error=1e-3,
    offset_mean=0.0,
    samples=3,
    hysteresis=0.0,
    noise=6e-4,
    noise_error=1e-5,
    time_offset=1e-11,
    time_constant=1e-11,
    time_error=1e-13,
    overdrives=(1e-4, 1e-3, 1e-2),
    times=(1e-10, 8e-11, 6e-11),
    offsets=(-8e-3, 0.0, 8e-3),
    course_times=(0.0, 1e-10),
    courses=((0.0, 0.5), (0.0, 1.0), (0.0, 1.1)),
)
FIGURES: dict[str, Callable[[], Figure]] = {
    "hysteresis": lambda: plots.hysteresis(waves(), "v(xm1)", "i(xm1)"),
    "hysteresis of two": lambda: plots.hysteresis({"1 kHz": waves(), "2 kHz": waves()}, "v(xm1)", "i(xm1)"),
    "neuron": lambda: plots.neuron(
        waves(),
        states=["v(xm1.x)", "v(xm2.x)"],
        conductances=["g(xm1)"],
        currents=["i(xm1)"],
        drive=["i(iin)"],
    ),
    "membrane alone": lambda: plots.neuron(waves()),
    "waveforms": lambda: plots.waveforms(waves(), ["v(mem)", "i(xm1)", "i(iin)"]),
    "velocities": lambda: plots.motion([plots.Motion(np.ones((2, 6, 8)), [3.0, 4.0], [0.0, 0.0])] * 2),
    "flow": lambda: plots.motion(
        [plots.Motion(np.zeros((2, 6, 8)), np.ones((2, 6, 8)), np.zeros((2, 6, 8)))]
    ),
    "amplifier": lambda: plots.amplifier(AMPLIFIER),
    "raster": lambda: plots.raster([[1e-3, 2e-3], [], [1.5e-3]]),
    "raster with labels": lambda: plots.raster({"ngspice": [1e-3], "torch": [1.1e-3]}, duration=2e-3),
    "raster without spikes": lambda: plots.raster([[], []]),
    "paths": lambda: plots.conductance_paths(
        np.linspace(1, 5, 24).reshape(4, 3, 2) * 1e-6, np.full((3, 2), 6e-6)
    ),
    "conductances": lambda: plots.conductance_map(np.full((64, 10), 1e-5), np.eye(64, 10) * 1e-4),
    "training": lambda: plots.training_curves([Epoch(1, 2.0, 0.4, 0.3), Epoch(2, 1.0, 0.9, 0.8)]),
    "one epoch": lambda: plots.training_curves([Epoch(1, 2.0, 0.4, 0.3)]),
    "overlay": lambda: plots.overlay(waves(), waves(1e-5), "v(mem)"),
    "confusion": lambda: plots.confusion([[30, 2], [0, 11]], ["zero", "one"]),
    "IR drop": lambda: plots.ir_drop_map(np.outer(np.linspace(1, 0.1, 16), np.linspace(0, 20e-3, 24))),
    "programmed cells": lambda: plots.conductance_histogram(
        np.full((8, 8), 1e-6), np.linspace(1e-6, 1e-4, 64).reshape(8, 8), np.full((8, 8), 5e-5)
    ),
    "conductances before and after": lambda: plots.conductance_histogram([1e-6, 2e-6], [1e-5, 2e-5]),
    "robustness": lambda: plots.robustness(
        {
            "device variation (%)": plots.Robustness([0, 20], {"plain": [[0.98], [0.9, 0.8, 0.85]]}),
            "stuck cells (%)": plots.Robustness(
                [0, 10], {"plain": [[0.98], [0.6]], "aware": [[0.97], [0.8]]}
            ),
        }
    ),
    "confusion of long names": lambda: plots.confusion(
        np.eye(5, dtype=int),
        ["fist", "open hand", "a name that is much too long to be shown", "rest", "$x_$"],
    ),
    "confusion of ten": lambda: plots.confusion(np.eye(10, dtype=int) * 120),
}


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_clipped_and_settings_stay(name: str, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figure = FIGURES[name]()
    plots.save(figure, tmp_path / "figure.png")
    assert dict(mpl.rcParams) == before
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ink, page = figure.get_tightbbox(canvas.get_renderer()), figure.bbox_inches
    edge = 1 / figure.dpi  # glyphs are placed on whole pixels
    assert ink.x0 > -edge
    assert ink.y0 > -edge
    assert ink.x1 < page.x1 + edge
    assert ink.y1 < page.y1 + edge


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_same_figure_gives_the_same_file(suffix: str, tmp_path: Path) -> None:
    first, second = (plots.save(FIGURES["neuron"](), tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert first == second
    assert first.startswith(start)


def test_axes_carry_si_prefixes() -> None:
    labels = [axes.get_ylabel() for axes in FIGURES["neuron"]().axes]
    assert labels == ["drive (µA)", "potential (mV)", "state", "conductance (µS)", "current (µA)"]
    assert FIGURES["neuron"]().axes[-1].get_xlabel() == "time (µs)"


def test_lines_differ_in_style_as_well_as_in_colour() -> None:
    lines = FIGURES["hysteresis of two"]().axes[0].get_lines()[2:]
    assert len({line.get_linestyle() for line in lines}) == len({line.get_color() for line in lines}) == 2


def test_arrows_point_in_the_direction_of_time() -> None:
    def arrow_angles(data: xr.Dataset) -> list[float]:
        arrows = plots.hysteresis(data, "v(xm1)", "v(xm1.x)").axes[0].texts
        return [float(np.arctan2(*(np.array(a.xy) - np.array(a.xyann))[::-1])) for a in arrows]

    # A circle run through from (1, 0) upwards; arrows at 12, 37, 62 and 87 % of its length are tangents there.
    turn = np.linspace(0, 2 * np.pi, len(TIME))
    circle = waves().assign({"v(xm1)": ("time", np.cos(turn), {"units": "V"})})
    circle = circle.assign({"v(xm1.x)": ("time", np.sin(turn), {"units": "1"})})
    expected = [2 * np.pi * share + np.pi / 2 for share in (0.12, 0.37, 0.62, 0.87)]
    # the chord of an arrow is 0.02 long on a circle of radius 1/2: well below 0.05 rad off its tangent
    error = np.angle(np.exp(1j * (np.array(arrow_angles(circle)) - expected)))
    assert np.abs(error).max() < 0.05


def test_overlay_names_the_largest_difference() -> None:
    figure = plots.overlay(waves(), waves(4e-4), "v(mem)")
    # 0.4 mV of a 40 mV spike; the peak falls on a sample
    assert figure.axes[1].get_title(loc="right") == "largest difference 1 % of peak to peak"


def test_flow_has_the_hue_of_its_direction_and_the_saturation_of_its_speed() -> None:
    # right, up, left and down: red, yellow-green, cyan and violet, a quarter of the circle apart
    flow = np.array([[[1.0, 0.0, -1.0, 0.0]], [[0.0, -1.0, 0.0, 1.0]]])
    hue, saturation, value = np.moveaxis(rgb_to_hsv(plots.flow_colours(flow, 1.0)), -1, 0)
    np.testing.assert_allclose(hue, [[0, 0.25, 0.5, 0.75]], atol=1e-12)
    np.testing.assert_allclose([saturation, value], 1)
    half, twice = (rgb_to_hsv(plots.flow_colours(flow * scale, 1.0)) for scale in (0.5, 2.0))
    np.testing.assert_allclose(half[..., 1:], [[[0.5, 1]] * 4])
    np.testing.assert_allclose(twice[..., 1:], [[[1, 0.5]] * 4])
    unknown = plots.flow_colours(np.full((2, 1, 1), np.nan), 1.0)
    assert len(np.unique(unknown)) == 1


def test_arrows_start_where_they_belong_and_have_lengths_of_one_scale() -> None:
    flow = np.zeros((2, 12, 12))
    flow[:, 3, 3] = np.nan
    flow[0] += 2.0
    known, found = plots.motion([plots.Motion(np.zeros((2, 12, 12)), flow, flow / 2)]).axes[0].collections
    assert known.scale == found.scale
    shown = ~known.Umask
    np.testing.assert_allclose(known.U[shown], 2 * found.U[shown])
    drawn = {tuple(place) for place in known.XY[shown].tolist()}
    assert drawn == {(x, y) for x in range(1, 12, 2) for y in range(1, 12, 2)} - {(3, 3)}


def test_paths_are_those_of_cells_whose_places_are_spread() -> None:
    """Of 100 cells three: the lowest, the middle and the highest place, in µS; and quantiles of all in S."""
    places = np.random.default_rng(0).permutation(np.linspace(1e-6, 9e-6, 100)).reshape(10, 10)
    way = places * np.array([0.5, 0.9, 0.99])[:, None, None]
    left, right = plots.conductance_paths(way, places, cells=3).axes
    paths = [line.get_ydata() for line in left.lines if line.get_linestyle() == "-"]
    middle = np.sort(places.ravel())[50]
    expected = [1e6 * place * np.array([0.5, 0.9, 0.99]) for place in (1e-6, middle, 9e-6)]
    np.testing.assert_allclose(paths, expected, rtol=1e-12)
    medians = [np.median(np.abs(now - places)) for now in way]
    np.testing.assert_allclose(right.lines[1].get_ydata(), medians, rtol=1e-12)


def test_weights_keep_their_sign_on_the_map() -> None:
    plus, minus = np.array([[3e-5, 1e-5]]), np.array([[1e-5, 2e-5]])
    weight = plots.conductance_map(plus, minus).axes[2].images[0]
    # 20 and -10 µS are differences of decimal numbers: equal to rounding
    np.testing.assert_allclose(weight.get_array(), [[20, -10]], rtol=1e-12)
    assert weight.get_clim() == pytest.approx((-20, 20))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plots.neuron(waves(), states=["v(xm9.x)"]),
            "no variable 'v(xm9.x)' in these waveforms; there are v(mem)",
        ),
        (lambda: plots.waveforms(waves(), []), "name at least one"),
        (lambda: plots.waveforms(waves().expand_dims(batch=2), ["v(mem)"]), "select one waveform with .isel"),
        (lambda: plots.waveforms(waves() * 1j, ["v(mem)"]), "complex; plot its magnitude"),
        (lambda: plots.conductance_map(np.ones((2, 2)), np.ones((2, 3))), "two matrices of one shape"),
        (lambda: plots.confusion(np.ones((2, 3))), "is square, this one is (2, 3)"),
        (lambda: plots.confusion(np.eye(3), ["a", "b"]), "2 names of 3 classes; give one for each"),
        (lambda: plots.ir_drop_map([1.0, 2.0]), "[word lines, bit lines], this is (2,)"),
        (
            lambda: plots.conductance_histogram([1e-6], [1e-6, 2e-6]),
            "the same cells; their shapes are [(1,), (2,)]",
        ),
        (lambda: plots.robustness({}), "at least one"),
        (
            lambda: plots.robustness({"noise": plots.Robustness([0, 1], {"plain": [[0.9]]})}),
            "'plain' against 'noise' have [1] draws; give at least one for each of the 2 levels",
        ),
        (lambda: plots.training_curves([]), "train at least one"),
        (lambda: plots.motion([]), "no recording to draw"),
        (
            lambda: plots.motion([plots.Motion(np.ones((2, 4, 4)), np.ones(2), np.ones((2, 4, 4)))]),
            "velocities 0 have shapes (2,) and (2, 4, 4)",
        ),
        (
            lambda: plots.motion(
                [plots.Motion(np.ones((2, 4, 4)), *[np.ones(shape)] * 2) for shape in (2, (2, 4, 4))]
            ),
            "some recordings have one velocity and others flow",
        ),
        (lambda: plots.flow_colours(np.ones((2, 3)), 1.0), "flow has shape (2, 3)"),
        (lambda: plots.save(FIGURES["raster"](), "picture.jpg"), "as '.jpg'; use .png, .svg or .pdf"),
        (
            lambda: plots.conductance_paths(np.ones((4, 3)), np.ones(2)),
            "conductances have shape (4, 3) and targets (2,)",
        ),
        (lambda: plots.conductance_paths(np.ones((1, 3)), np.ones(3)), "give [rounds + 1, ...]"),
        (lambda: plots.conductance_paths(np.ones((4, 3)), np.ones(3), cells=0), "cells = 0 is out of range"),
    ],
)
def test_bad_input_is_named(draw: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        draw()
