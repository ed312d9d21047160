"""LaTeX texts carry the whole model."""

from __future__ import annotations

import re

import pytest

from memsim.devices import MODELS, latex


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_latex_has_an_equation_for_the_current_and_each_state(model):
    equations = latex(model)
    assert equations[0].startswith("i = ")
    assert [line.split("=")[0].strip() for line in equations[1:]] == [
        rf"\frac{{d{state}}}{{dt}}" for state in model.states
    ]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_latex_names_every_parameter(model):
    text = " ".join(latex(model))
    for name in model.parameters:
        stem, _, index = name.partition("_")
        letters = stem if len(stem) == 1 else rf"(\\mathrm\{{{stem}\}}|\\{stem}|T)"
        assert re.search(letters + (rf"_\{{\\mathrm\{{{index}\}}\}}" if index else ""), text), name
