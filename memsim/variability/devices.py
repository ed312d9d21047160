"""Parameters that differ from device to device, those that belong together kept together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memsim.devices import MODELS, Device
from memsim.errors import InputError
from memsim.text import check_encoding, read_text
from memsim.variability.quantiles import KNOTS, JointDistribution, Quantiles

if TYPE_CHECKING:
    from memsim.fit import Uncertainty

REACH = 1.959964  # deviations from the middle to the end of an interval of 95 %


def spread_of_devices(devices: Iterable[Device]) -> JointDistribution:
    """Parameters that differ among devices of one model, such as cards fitted to one device each.

    Raises:
        InputError: devices of several models, fewer than 8 of them, or all alike.
    """
    known = list(devices)
    models = {device.model for device in known}
    if len(models) != 1:
        raise InputError(f"the devices are of {sorted(models) or 'no model'}; give devices of one model")
    columns = {name: np.array([device.values[name] for device in known]) for name in known[0].parameters}
    differing = {name: column for name, column in columns.items() if np.ptp(column)}
    if not differing:
        raise InputError("the devices do not differ in any parameter; give devices that do")
    return JointDistribution.estimate(differing)


def spread_of_fit(device: Device, uncertainty: Uncertainty) -> JointDistribution:
    """What a fit leaves open: Gaussian about the fitted values, log-normal where only positive ones are allowed.

    Intervals and correlations are those of the fit; values that its data does not fix stay as they are. This is how
    well one device is known, not how devices differ.

    Raises:
        InputError: a fit that fixes no parameter of the device, or intervals and correlations that are none.
    """
    size = len(uncertainty.names)
    if uncertainty.correlation.shape != (size, size) or not np.isfinite(uncertainty.correlation).all():
        raise InputError(f"the correlation must be a matrix of {size} by {size} finite numbers")
    names = [
        name
        for name in uncertainty.names
        if name in device.parameters and name in set(uncertainty.intervals) - set(uncertainty.undetermined)
    ]
    if not names:
        raise InputError(f"the fit fixes no parameter of {device.model}; give one that does")
    order = [uncertainty.names.index(name) for name in names]
    marginals = {name: _gaussian(device, name, uncertainty.intervals[name]) for name in names}
    return JointDistribution(marginals, uncertainty.correlation[np.ix_(order, order)])


def _gaussian(device: Device, name: str, interval: tuple[float, float]) -> Quantiles:
    value, spec = device.values[name], device.parameters[name]
    logarithmic, (low, high) = spec.positive and spec.low == 0, interval
    if not (np.isfinite(interval).all() and low <= high and (low > 0 or not logarithmic)):
        raise InputError(f"interval of {name} = {interval}; allowed: {spec.allowed()}, lowest value first")
    if logarithmic:
        values = value * np.exp(np.log(high / low) / (2 * REACH) * KNOTS)
    else:
        values = value + (high - low) / (2 * REACH) * KNOTS
    return Quantiles(np.clip(values, spec.low, spec.high))


def load_spread(path: str | Path) -> JointDistribution:
    """From a file: a CSV with a row for each device and a column for each parameter, or `fit.json` of `memsim fit`.

    Raises:
        InputError: no such file, or one that holds neither.
    """
    path = Path(path)
    if path.suffix not in {".csv", ".json"} or not path.is_file():
        raise InputError(f"{path} is no file of devices; give a .csv with a row per device, or a fit.json")
    return _table(path) if path.suffix == ".csv" else _fit(path)


def _table(path: Path) -> JointDistribution:
    import pandas as pd  # loads slowly

    check_encoding(path)
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True, encoding="utf-8-sig")
        columns = {str(name): table[name].to_numpy(dtype=float) for name in table.columns}
    except (ValueError, TypeError, OverflowError) as error:  # what pandas raises is a ValueError, too
        raise InputError(f"{path} is no table of numbers ({error}); give a row per device") from error
    return JointDistribution.estimate(columns)


def _fit(path: Path) -> JointDistribution:
    from memsim.fit.intervals import Uncertainty

    try:
        best, *_ = json.loads(read_text(path, str(path), "what `memsim fit` writes"))
        uncertainty = Uncertainty.from_dict(best)
        device = MODELS[best["model"]](**best["parameters"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path} is not what `memsim fit` writes ({error!r}); give its fit.json of loops"
        ) from error
    return spread_of_fit(device, uncertainty)


def sampled_devices(
    device: Device, spread: JointDistribution, count: int, generator: np.random.Generator
) -> list[Device]:
    """Devices like `device` whose parameters are drawn from a spread.

    Raises:
        InputError: a parameter that the device does not have, or a value out of its range.
    """
    columns = spread.sample(count, generator)
    rows: list[dict[str, Any]] = [{name: float(v[k]) for name, v in columns.items()} for k in range(count)]
    return [device.with_values(**row) for row in rows]
