"""Compact models fitted to measured transients, pulse trains and switching times."""

from memsim.fit.fitting import Fit, Settings, error, fit
from memsim.fit.intervals import Uncertainty
from memsim.fit.ranking import (
    USUAL_MODELS,
    Ranked,
    cross_validate,
    fit_from_simpler,
    predict,
    rank,
    transient_current,
)
from memsim.fit.reading import Layout, read_record
from memsim.fit.records import Record
from memsim.fit.tables import Table, read_table

__all__ = [
    "USUAL_MODELS",
    "Fit",
    "Layout",
    "Ranked",
    "Record",
    "Settings",
    "Table",
    "Uncertainty",
    "cross_validate",
    "error",
    "fit",
    "fit_from_simpler",
    "predict",
    "rank",
    "read_record",
    "read_table",
    "transient_current",
]
