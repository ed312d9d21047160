"""Every entry of every kind of TOML file, with values that nobody would write: each is taken, or refused by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from memsim.devices import load_card
from memsim.errors import InputError
from memsim.imc.cost.technology import load_technology
from memsim.imc.hardware import load_hardware
from memsim.imc.workloads import load_workload
from memsim.learn import load_study
from memsim.learn.study import Study
from memsim.sweep import load_sweep

MEMSIM = Path(__file__).parent.parent / "memsim"
ODD = (
    True, -1, 0, 10**18, 1e308, float("nan"), float("-inf"), "", "nowhere", "\u0000", "$\\foo{$", [], [[1]], ["a", 1],
    {}, {"a": {"b": 1}},
)  # fmt: skip
SWEEP = {
    "circuit": "integrate-and-fire-set1",
    "engine": "torch",
    "stop": "2m",
    "step": "1u",
    "timeout": 1,
    "seed": 1,
    "grid": {"iin.peak": ["1u", 2e-6], "cmem": {"from": 1, "to": 2, "points": 3, "spacing": "log"}},
    "samples": {"count": 8, "method": "sobol", "parameters": {"r": {"spread": 0.1}}},
    "corners": {"slow": {"xm1.tau": "120u"}},
    "measure": {"n": {"of": "v(mem)", "what": "spike-count", "level": "20m", "after": 0}},
}
STAGED = {
    "data": "digits",
    "hidden": [4],
    "recurrent": False,
    "steps": 4,
    "batch": 8,
    "seed": 0,
    "stages": [{"name": "a", "epochs": 1, "examples": 3, "learning_rate": 0.1, "width": [1.0, 2.0]}],
}


def _shipped(place: str) -> dict[str, Any]:
    return tomllib.loads((MEMSIM / place).read_text())


KINDS: dict[str, tuple[Callable[[Path], object], dict[str, Any]]] = {
    "study": (load_study, Study(readout={"scale": 1.0}).model_dump(mode="json", exclude_none=True)),
    "staged study": (load_study, STAGED),
    "sweep": (load_sweep, SWEEP),
    "device card": (load_card, _shipped("devices/cards/pd-wo3-w.toml")),
    "hardware card": (load_hardware, _shipped("imc/cards/adcless.toml")),
    "workload": (load_workload, _shipped("imc/workloads/data/fireflownet.toml")),
    "technology card": (load_technology, _shipped("imc/cost/cards/neurosim-65nm.toml")),
    "scaled technology card": (load_technology, _shipped("imc/cost/cards/scaled-45nm.toml")),
}


def _places(table: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every entry of a table, and of the tables and lists in it."""
    entries = table.items() if isinstance(table, dict) else enumerate(table)
    for key, value in entries:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _changed(table: dict[str, Any], place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed = at = _copied(table)
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def _refusal(load: Callable[[Path], object], path: Path) -> str | None:
    try:
        load(path)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_takes_a_value_or_names_what_it_cannot_take(
    tmp_path: Path, assert_clear: Callable[[str], None], kind: str
):
    load, table = KINDS[kind]
    path, refused = tmp_path / "bad.toml", 0
    for place in _places(table):
        for value in ODD:
            path.write_text(tomli_w.dumps(_changed(table, place, value)), encoding="utf-8")
            message = _refusal(load, path)
            if message is not None:
                refused += 1
                assert_clear(message)
                assert "bad" in message or any(str(key) in message for key in place), (place, value, message)
    assert refused > 5 * len(table), f"{refused} values refused"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe", b"\xff", b"a", b"a = ", b"[a", b"a = 1\na = 2\n", b"[[a]]\n[a]\n", b"a=" + b"[" * 5000,
        b"a." * 5000 + b"a=1", b"a = 1" + b"0" * 5000, b"a = 0x1" + b"0" * 5000, b"\x00", "a = 1".encode("utf-16"),
        "a = 1".encode("utf-16-be"), b"\xef\xbb\xbfa = 1", b"unknown = 1\n", b'"" = 1\n', b"self = 1\n",
    ],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_what_is_no_such_table(
    tmp_path: Path, assert_clear: Callable[[str], None], kind: str, content: bytes
):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    if kind in {"study", "staged study"} and not content:
        return  # every entry has a default
    with pytest.raises(InputError) as refused:
        KINDS[kind][0](path)
    assert_clear(str(refused.value))
    assert "bad" in str(refused.value)
