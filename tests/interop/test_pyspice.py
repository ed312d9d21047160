"""Any PySpice circuit runs where a deck does, without a memsim device in it."""

from pathlib import Path

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit, SubCircuit
from PySpice.Unit import u_kOhm, u_nF, u_V

from memsim import spice

pytestmark = pytest.mark.spice


class Divider(SubCircuit):
    """Two resistors."""

    __name__ = "divider"
    __nodes__ = ("top", "middle")

    def __init__(self) -> None:
        super().__init__(self.__name__, *self.__nodes__)
        self.R("1", "top", "middle", 1e3)
        self.R("2", "middle", self.gnd, 1e3)


def test_units_models_sub_circuits_and_sources_of_pyspice():
    circuit = Circuit("of PySpice")
    circuit.model("rectifier", "D", IS=1e-14)
    circuit.subcircuit(Divider())
    circuit.SinusoidalVoltageSource("in", "in", circuit.gnd, amplitude=5 @ u_V, frequency=1e3)
    circuit.X("half", "divider", "in", "half")
    circuit.D("1", "in", "out", model="rectifier")
    circuit.C("1", "out", circuit.gnd, 100 @ u_nF)
    circuit.R("1", "out", circuit.gnd, 100 @ u_kOhm)
    waves = spice.simulate(circuit, stop=2e-3, step=2e-6)
    np.testing.assert_allclose(waves["v(half)"], waves["v(in)"] / 2, atol=1e-9)
    assert 4.0 < float(waves["v(out)"].max()) < 5.0  # a diode's drop below the peak
    assert float(waves["v(out)"].min()) > -0.01


def test_raw_lines_includes_and_many_at_once(tmp_path: Path):
    (tmp_path / "part.lib").write_text(".subckt part a b\nr1 a b 2k\n.ends\n")
    circuit = Circuit("raw")
    circuit.include(str(tmp_path / "part.lib"))
    circuit.V("1", "a", circuit.gnd, 2)
    circuit.raw_spice = "x1 a 0 part\n"
    job = spice.Job(circuit, stop=1e-6, step=1e-7)
    for waves in spice.simulate_many([job, job]):
        np.testing.assert_allclose(waves["i(v1)"], -1e-3, rtol=1e-6)


def test_instances_of_included_sub_circuits(tmp_path: Path):
    (tmp_path / "part.lib").write_text(".subckt part a b r=1k\nr1 a b {r}\n.ends\n")
    circuit = Circuit("included")
    circuit.include(str(tmp_path / "part.lib"))
    circuit.parameter("double", "2*2k")
    circuit.V("1", "a", circuit.gnd, 2)
    circuit.X("1", "part", "a", circuit.gnd, r="{double}")
    waves = spice.simulate(circuit, stop=1e-6, step=1e-7)
    np.testing.assert_allclose(waves["i(v1)"], -0.5e-3, rtol=1e-6)
