"""Layers that stand in a network several times, said once."""

from __future__ import annotations

import pytest

from memsim.errors import InputError
from memsim.learn import load_study, make_study
from memsim.learn.study import save_study
from memsim.networks import build_network
from memsim.networks.parts import names_of

BLOCK = (
    {"name": "inner", "neurons": 4, "norm": "batch"},
    {"neurons": 4, "norm": "batch", "from": "before", "join": "membrane"},
)


def _chain(*layers, **study):
    return make_study(layers=layers, steps=2, **study).every_layer


def test_a_repeated_layer_is_so_many_of_it() -> None:
    once = ({"neurons": 5, "name": "a"}, *({"neurons": 4, "norm": "batch"} for _ in range(3)), {})
    assert _chain({"neurons": 5, "name": "a"}, {"neurons": 4, "norm": "batch", "repeat": 3}) == _chain(*once)


def test_a_block_is_its_layers_and_hears_what_comes_before_each_turn() -> None:
    layers = _chain({"name": "stem", "neurons": 4}, {"repeat": 3, "block": BLOCK}, {"from": "inner-2"})
    assert names_of(layers) == [
        "stem",
        "inner-1",
        "layer3",
        "inner-2",
        "layer5",
        "inner-3",
        "layer7",
        "layer8",
    ]
    assert [layer.sources for layer in layers] == [
        (), (), ("stem",), (), ("layer3",), (), ("layer5",), ("inner-2",)
    ]  # fmt: skip
    assert all(layer.join == "membrane" for layer in layers[2::2][:3])


def test_names_of_a_block_mean_those_of_the_same_turn() -> None:
    block = (
        {"name": "a", "neurons": 4},
        {"neurons": 4},
        {"neurons": 4, "from": [{"layer": "a", "of": "spike"}, "before"], "join": "membrane"},
    )
    layers = _chain({"neurons": 4}, {"repeat": 2, "block": block})
    assert [skip.layer for skip in layers[3].skips] == ["a-1", "layer1"]
    assert [skip.layer for skip in layers[6].skips] == ["a-2", "layer4"]


def test_branches_of_a_block_begin_where_it_does() -> None:
    block = (
        {"name": "one", "neurons": 4},
        {"neurons": 4, "after": "before", "from": "one"},
    )
    layers = _chain({"neurons": 4}, {"repeat": 2, "block": block})
    assert [layer.after for layer in layers] == [None, None, "layer1", None, "layer3", None]
    assert [layer.sources for layer in layers[2:5:2]] == [("one-1",), ("one-2",)]


def test_a_saved_study_says_its_block_once(tmp_path) -> None:
    study = make_study(layers=({"neurons": 4}, {"repeat": 50, "block": BLOCK}), steps=2)
    save_study(study, tmp_path / "study.toml")
    assert len((tmp_path / "study.toml").read_text().splitlines()) < 100
    assert load_study(tmp_path / "study.toml").every_layer == study.every_layer
    assert len(build_network((64,), 10, study).chain) == 102


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (({"repeat": 2, "neurons": 3, "block": BLOCK},), "neurons is of the layers of a block"),
        (({"block": BLOCK},), "without repeat is its layers"),
        (({"repeat": 2, "block": ({"neurons": 3, "repeat": 2},)},), "cannot repeat themselves"),
        (({"neurons": 3}, {"repeat": 2}), "the last layer stands once"),
        (({"repeat": 2, "block": ({"neurons": 3}, {})},), "the last layer stands once"),
        (({"neurons": 3, "name": "before"},), "means the layer before"),
        (({"neurons": 3, "repeat": 0},), "repeat"),
        (({"neurons": 3}, {"neurons": 3, "from": "before"}), "gets anyway"),
    ],
)
def test_blocks_that_say_nothing_or_too_much_are_refused(layers, words) -> None:
    with pytest.raises(InputError, match=words):
        make_study(layers=layers, steps=2)
