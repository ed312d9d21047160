"""What pydantic finds wrong with a table, in the words of whoever wrote it: no types, validators or unions of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST = 20
_LONGEST = 80
ALLOWED = "allowed: "
_MISFIT = 1000  # more than a table has entries: a table where a list belongs, or the other way round
_KINDS = {
    "int": "give a whole number",
    "float": "give a number",
    "string": 'give text in "quotes"',
    "bool": "give true or false",
    "tuple": "give a list",
    "list": "give a list",
    "dict": "give a table",
    "model": "give a table",
}
_WORDS = {
    "missing": "it is missing, give it",
    "finite_number": "it is not finite, give a finite number",
    "greater_than": "allowed: above {gt:g}",
    "greater_than_equal": "allowed: at least {ge:g}",
    "less_than": "allowed: below {lt:g}",
    "less_than_equal": "allowed: at most {le:g}",
    "literal_error": "allowed: {expected}",
    "too_short": "it has {actual_length} entries, give at least {min_length}",
    "too_long": "it has {actual_length} entries, give at most {max_length}",
    "string_too_short": "give a text of at least {min_length} characters",
    "string_too_long": "give a text of at most {max_length} characters",
    "string_pattern_mismatch": "give a name of letters, digits, blanks and the signs . _ - that begins with a letter "
    "or a digit",
    "int_parsing_size": "give a smaller number",
    "int_from_float": "give a whole number",
    "value_error": "{error}",
}


def problems(error: ValidationError, model: type[BaseModel], content: object, name: str) -> list[str]:
    """One line for each entry that cannot be used: its place, its value and what is allowed.

    Args:
        error: what pydantic found.
        model: that the content was checked against.
        content: what was checked.
        name: of the whole, for problems that belong to no entry.
    """
    lines = [
        _line(list(group), model, place, name)
        for place, group in groupby(_chosen(error, content), key=lambda one: one[0])
    ]
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return [*lines[:MOST], *more]


_Place = tuple[str | int, ...]
_Found = tuple[_Place, str, "ErrorDetails"]
"""Where the content is wrong, the form of the entry that this is about where it may have several, and what is wrong."""


def _chosen(error: ValidationError, content: object) -> list[_Found]:
    """Of an entry that may have several forms, only what keeps it from the nearest one."""
    found = [(*_place(item, content), item) for item in error.errors() if not _counts_good_ones(item)]
    kept: list[_Found] = []
    for (_, forked), group in groupby(found, key=lambda one: (one[2], one[2] is not None)):
        items = list(group)
        forms = {form: [one for one in items if one[1] == form] for _, form, _, _ in items}
        scores = {form: sum(_weight(item) for *_, item in own) for form, own in forms.items()}
        nearest = min(scores.values())
        kept += [
            (place, form, item) for place, form, _, item in items if not forked or scores[form] == nearest
        ]
    return sorted(kept, key=lambda one: [str(part) for part in one[0]])


def _place(item: ErrorDetails, content: object) -> tuple[_Place, str, _Place | None]:
    """Where in the content, the form of the entry that is meant, and the entry that has several forms, if one has."""
    place: list[str | int] = []
    form, fork = "", None
    at: Any = content
    last = len(item["loc"]) - 1
    for number, part in enumerate(item["loc"]):
        if _has(at, part):
            at = at[part]
        elif not (number == last and item["type"] == "missing"):
            if fork is None:
                form, fork = str(part), tuple(place)
            continue
        place.append(part)
    return tuple(place), form, fork


def _has(content: Any, part: str | int) -> bool:
    if isinstance(content, Mapping):
        return part in content
    return isinstance(content, list | tuple) and isinstance(part, int) and part < len(content)


def _counts_good_ones(item: ErrorDetails) -> bool:
    """Whether a list is called too short only because entries that cannot be used were not counted."""
    return item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]


def _weight(item: ErrorDetails) -> int:
    return _MISFIT if item["type"].endswith(("_type", "_parsing")) else 1


def _line(group: list[_Found], model: type[BaseModel], place: _Place, name: str) -> str:
    said = dict.fromkeys(_said(item, model, place, form) for _, form, item in group)
    value = group[0][2]["input"]
    given = "" if isinstance(value, Mapping) else f" = {_short(value)}"
    where = f"{'.'.join(map(str, place)) or name}{given}: " if place or given else ""
    return where + _in_one(list(said))


def _in_one(said: list[str]) -> str:
    """Several ways out as one sentence."""
    first, *others = said
    if first.startswith(ALLOWED):
        others = [one.removeprefix(ALLOWED) for one in others]
    return " or ".join([first, *others])


def _said(item: ErrorDetails, model: type[BaseModel], place: _Place, form: str) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(str(place[-1]), _entries(model, place[:-1], form))
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    of, _, what = kind.rpartition("_")
    if what not in {"type", "parsing"}:
        return item["msg"]
    meant = _meant(item["input"], model, place)
    return _KINDS.get(of, item["msg"]) + (f"; did you mean {meant}?" if meant else "")


def _meant(value: object, model: type[BaseModel], place: _Place) -> str | None:
    """The entry beside this one of a like name that takes the value, or is a table as it is."""
    if not place or not isinstance(place[-1], str):
        return None
    beside = {
        field.alias or name: field
        for table in _models(model, place[:-1])
        for name, field in table.model_fields.items()
    }
    near = get_close_matches(place[-1], [name for name in beside if name != place[-1]], n=1)
    if not near:
        return None
    field = beside[near[0]]
    if isinstance(value, Mapping):
        return near[0] if _tables(field.annotation) else None
    form: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        TypeAdapter(form).validate_python(value)
    except ValidationError:
        return None
    return near[0]


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? Known" if near else "known"
    return f"there is no such entry; {meant}: {', '.join(known)}"


def _entries(model: type[BaseModel], place: _Place, form: str) -> list[str]:
    """Names that a table of the content may have."""
    tables = _models(model, place)
    tables = [table for table in tables if table.__name__ in re.findall(r"\w+", form)] or tables
    return sorted({field.alias or name for table in tables for name, field in table.model_fields.items()})


def _models(model: type[BaseModel], place: _Place) -> list[type[BaseModel]]:
    """What a table of the content may be."""
    tables = [model]
    for part in place:
        fields = [table.model_fields[part] for table in tables if part in table.model_fields]
        if fields:
            tables = [table for field in fields for table in _tables(field.annotation)]
    return tables


def _tables(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for part in get_args(annotation) for table in _tables(part)]


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        return "a number of too many digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
