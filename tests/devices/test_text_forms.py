"""LaTeX and Verilog-A texts carry the whole model."""

from __future__ import annotations

import re

import pytest

from memsim.devices import MODELS, card_names, latex, load_device, verilog_a


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


@pytest.mark.parametrize("name", card_names())
def test_verilog_a_declares_and_uses_everything(name):
    device = load_device(name)
    text = verilog_a(device)
    equations = text[text.index("analog begin") :]
    for key, value in device.values.items():
        assert f"parameter real {key} = {value!r} from" in text
        assert re.search(rf"\b{key}\b", equations)
    for state in device.states:
        assert re.search(rf"electrical p, n, .*\b{state}\b", text)
        assert f"ddt(V({state}))" in equations
        assert f"V({state}) <+ {state}_0" in equations
    assert equations.count("I(p,n) <+") == 1
    assert equations.count("(") == equations.count(")")
    assert text.rstrip().endswith("endmodule")


@pytest.mark.parametrize("name", card_names())
def test_verilog_a_uses_functions_of_the_language_alone(name):
    """Every call is one that the Verilog-AMS standard knows, or an access function."""
    text = verilog_a(load_device(name))
    equations = text[text.index("analog begin") :]
    elementary = {"exp", "limexp", "ln", "abs", "max", "min", "pow", "sinh", "tanh", "asin", "sin", "cos"}
    known = {"V", "I", "ddt", "if", "analysis"} | elementary
    assert set(re.findall(r"([A-Za-z_]\w*)\(", equations)) <= known
