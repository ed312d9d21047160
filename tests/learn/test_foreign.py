"""Networks of one's own on chips by the command: mapped, fitted, judged beside themselves in software, and costed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import (
    calibrate_inputs,
    calibrate_steps,
    digital_parts,
    load_hardware,
    map_to_imc,
    mapped_layers,
)
from memsim.learn.data.as_given import samples_of
from memsim.learn.foreign import chips_of_model, load_foreign

FINE = {
    "wires.word_line": 0.0,
    "wires.bit_line": 0.0,
    "inputs.coding": "bit-serial",
    "inputs.bits": 6,
    "weights.bits": 7,
    "converter.bits": 7,
    "accumulation.bits": 28,
}
INLINE = "{ " + ", ".join(f'"{name}" = {json.dumps(value)}' for name, value in FINE.items()) + " }"
MODULE = """
import torch
from torch import nn

class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0, -1.0, 0.5]]))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(x)

made = Doubled()
wide = nn.Linear(3, 7)
def maker(): return Doubled()

class Lost(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        found = self.fc(x.flatten(1))
        found[1::2, 4] = torch.nan
        return found

def ample(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 12))
def enough(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
def broken(): raise RuntimeError("no weights")
number = 3
"""


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 10),
    )


def save(model: nn.Module, inputs: Tensor, path: Path) -> Path:
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(model.eval(), (inputs,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    model, samples = network(), samples_of("digits")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, labels = samples.train.batch(slice(None))
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model.eval(), save(model, inputs[:4], tmp_path_factory.mktemp("model") / "net.pt2")


def test_a_program_on_chips_of_a_card(program: tuple[nn.Module, Path], tmp_path: Path) -> None:
    model, path = program
    command = ["imc", "--model", str(path), "--data", "digits", "--trust", "--card", "hp-adc-32"]
    varied = INLINE.replace("}", ', "cell.variation" = 0.05 }')
    told = CliRunner().invoke(app, [*command, "--hardware", varied, "--chips", "2", "--out", str(tmp_path)])
    assert told.exit_code == 0, told.output
    (found,) = json.loads((tmp_path / "imc.json").read_text())
    test = samples_of("digits").test
    software = float((model(test.inputs()).argmax(1) == test.labels).double().mean())
    assert found["score_in_software"] == software
    assert software > 0.9
    # six bits of inputs and weights, and cells within 5 %
    assert found["accuracy"] > software - 0.05
    assert [chip["chip"] for chip in found["unseen_chips"]] == [1, 2]
    assert {chip["accuracy_averages_per_chip"] for chip in found["unseen_chips"]} == {None}
    assert [layer["name"] for layer in found["layers"]] == ["0", "4"]
    lines = {line.split("  ")[0]: line for line in told.output.splitlines()}
    assert f"{software:.2%}" in lines["accuracy in software"]
    assert "net.pt2, cold" in lines["network of stage"]
    assert f"--model {path} --data digits --trust --chips 2" in (tmp_path / "imc.html").read_text()


def test_it_is_the_network_that_python_maps_and_fits(program: tuple[nn.Module, Path]) -> None:
    model, path = program
    card = load_hardware("hp-adc-32", FINE)
    (chip,) = chips_of_model(str(path), "digits", [card], trust=True)
    samples = samples_of("digits")
    by_hand = map_to_imc(model, card).eval()
    shown = samples.train.inputs(slice(500))
    calibrate_inputs(by_hand, shown)
    calibrate_steps(by_hand, shown)
    with torch.no_grad():
        right = (by_hand(samples.test.inputs()).argmax(1) == samples.test.labels).double().mean()
    assert chip.accuracy == float(right)


def test_columns_that_decide_and_remember(program: tuple[nn.Module, Path]) -> None:
    decides = {
        name: value for name, value in FINE.items() if name not in {"converter.bits", "weights.bits"}
    } | {"converter.hysteresis": 0.5}
    card = load_hardware("adcless-differential-32", decides)
    (chip,) = chips_of_model(str(program[1]), "digits", [card], images=60, trust=True)
    assert chip.accuracy is not None
    # ten classes: decisions that were calibrated tell more than chance
    assert chip.accuracy > 0.15


def test_numbers_of_a_file_are_taken_as_they_are(tmp_path: Path) -> None:
    """Signed inputs stay signed, and a network that says what is wanted explains all of it."""
    (tmp_path / "nets.py").write_text(MODULE)
    x = np.random.default_rng(0).uniform(-5, 5, (200, 3)).astype(np.float32)
    y = x @ np.array([1.0, -1.0, 0.5], np.float32)
    np.savez(tmp_path / "data.npz", x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    card = load_hardware("hp-adc-32", {**FINE, "converter.kind": "ideal"})
    for name in ("made", "maker", "Doubled"):
        where = f"{tmp_path / 'nets.py'}:{name}"
        (chip,) = chips_of_model(where, str(tmp_path / "data.npz"), [card], trust=True)
        assert chip.score == "R²"
        assert chip.software == pytest.approx(1.0, abs=1e-6)
        assert chip.accuracy is not None
        # six bits over each sign
        assert chip.accuracy > 0.99


def test_samples_have_the_axes_that_layers_take(tmp_path: Path) -> None:
    assert samples_of("digits").train.inputs(slice(2)).shape == (2, 1, 8, 8)
    assert samples_of("yin-yang").test.inputs(slice(2)).shape == (2, 4)
    for k in range(12):
        for part, shade in (("dark", 10), ("light", 200)):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(np.full((5, 4, 3), shade + k, np.uint8)).save(tmp_path / part / f"{k}.png")
    pictures = samples_of(str(tmp_path))
    inputs = pictures.train.inputs()
    assert inputs.shape[1:] == (3, 5, 4)
    shades = 255 * inputs[pictures.train.labels == 1].mean((1, 2, 3))
    torch.testing.assert_close(shades, shades.round(), rtol=1e-5, atol=0)
    assert shades.min() >= 200 - 1e-3


def test_a_program_of_vectors_gets_vectors(tmp_path: Path) -> None:
    path = save(nn.Linear(64, 10), torch.rand(4, 64), tmp_path / "flat.pt2")
    foreign = load_foreign(str(path), trust=True)
    assert foreign.axes == 2
    (chip,) = chips_of_model(str(path), "digits", [load_hardware("hp-adc-32", FINE)], images=40, trust=True)
    assert chip.accuracy is not None
    assert len(mapped_layers(map_to_imc(foreign.network, chip.card))) == 1


def refused(tmp_path: Path, name: str) -> Callable[[], object]:
    (tmp_path / "nets.py").write_text(MODULE)
    where = str(tmp_path / name)
    return lambda: chips_of_model(where, "digits", [load_hardware("hp-adc-32", FINE)], trust=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.onnx", r"ONNX files are not read; .* torch\.export\.save"),
        ("net.pth", r"is no network; allowed: FILE\.pt2, FILE\.py:NAME$"),
        ("none.pt2", "was not found"),
        ("broken.pt2", "cannot be read"),
        ("nets.py:number", "is int; give an nn.Module, or what makes one"),
        ("nets.py:broken", "cannot be made: RuntimeError: no weights"),
        ("nets.py:missing", "has no 'missing'"),
        ("nets.py:wide", r"cannot compute inputs \[1, 1, 8, 8\] of digits"),
        ("still.pt2", "takes batches of 4 alone; export it with dynamic_shapes"),
        ("few.pt2", r"gives \[\d+, 3\], and the data ask for \[\d+, 10 classes\]"),
    ],
)
def test_what_is_no_network_is_named(name: str, message: str, tmp_path: Path) -> None:
    if name == "broken.pt2":
        (tmp_path / name).write_bytes(b"no archive")
    if name == "still.pt2":
        torch.export.save(torch.export.export(nn.Linear(8, 2).eval(), (torch.rand(4, 8),)), tmp_path / name)
    if name == "few.pt2":
        save(nn.Linear(64, 3), torch.rand(4, 64), tmp_path / name)
    with pytest.raises(InputError, match=message):
        refused(tmp_path, name)()


def test_outputs_that_are_no_numbers_are_not_judged(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(MODULE)
    with pytest.raises(InputError, match="gives NaN for 10 of 20 examples, the first is example 1,"):
        chips_of_model(
            f"{tmp_path / 'nets.py'}:Lost",
            "digits",
            [load_hardware("hp-adc-32", FINE)],
            images=20,
            trust=True,
        )


def test_parts_that_compute_nothing_are_not_listed(program: tuple[nn.Module, Path]) -> None:
    """As the check of inputs that torch.export adds to a program."""
    foreign = load_foreign(str(program[1]), trust=True)
    assert "GuardsFn" in {type(module).__name__ for module in foreign.network.modules()}
    mapped = map_to_imc(foreign.network, load_hardware("hp-adc-32", FINE), fold=False)
    assert not [words for words in digital_parts(mapped).values() if "GuardsFn" in words]


def test_outputs_of_no_class_are_remarked(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(MODULE)
    card, told = load_hardware("hp-adc-32", FINE), "the network has 12 outputs and digits 10 classes"
    for name, count in (("ample", 1), ("enough", 0)):
        (chip,) = chips_of_model(f"{tmp_path / 'nets.py'}:{name}", "digits", [card], images=20, trust=True)
        assert sum(told in remark for remark in chip.cost.remarks) == count


def test_nothing_runs_without_trust(program: tuple[nn.Module, Path], tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(MODULE)
    for name in (str(program[1]), f"{tmp_path / 'nets.py'}:wide"):
        with pytest.raises(InputError, match="--trust"):
            load_foreign(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "net.pt2"], "--data names the data of a network of yours"),
        (["--workload", "gesture", "--data", "digits"], "have their own, leave it out"),
        (["--workload", "gesture", "--model", "net.pt2"], "given: --workload and --model"),
        ([], "given: none"),
        (["--model", "net.pt2", "--data", "digits", "--spike-rate", "0.1"], "--spike-rate is for workloads"),
        (["--workload", "gesture", "--images", "5"], "--images are for an accuracy"),
    ],
)
def test_options_that_change_nothing_are_named(arguments: list[str], message: str) -> None:
    told = CliRunner().invoke(app, ["imc", *arguments])
    assert told.exit_code != 0
    assert message in f"{told.output}{told.exception}"
