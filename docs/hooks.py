"""Pages that are made from the code when the site is built: device models, commands, measurements."""

from __future__ import annotations

import inspect
import sys
from html import escape
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import sympy as sp
from mkdocs.structure.files import File, Files
from sympy.printing.mathml import mathml

from memsim.devices import MODELS, card_names, load_card
from memsim.devices.base import Device, Parameter
from memsim.devices.cards import Card
from memsim.devices.retention import memory
from memsim.methods import load_method, method_names

HERE = Path(__file__).parent
BENCHMARKS = HERE.parent / "benchmarks"
LONG = 70
"""Operations above which an equation is written with abbreviations."""


def on_config(config: Any) -> Any:
    """Put the models into the menu."""
    pages = ["models/index.md", *({name: f"models/{name}.md"} for name in MODELS)]
    config.nav = [{"Device models": pages} if "Device models" in item else item for item in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    cards = [load_card(name) for name in card_names()]
    pages = {"models/index.md": _models(cards), "commands.md": _commands(), "measured.md": _measured()}
    pages |= {f"models/{name}.md": _model(model, cards) for name, model in MODELS.items()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    results = BENCHMARKS / "results"
    pictures = {
        "howto": [results / "self_firing.png", results / "event_flow.png"],
        "methods": sorted((results / "methods").glob("*.png")),
    }
    for folder, drawn in pictures.items():
        for picture in drawn:
            files.append(File.generated(config, f"{folder}/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Put measurements, and the list of methods, into the pages of methods."""
    folder, _, name = page.file.src_uri.rpartition("/")
    if folder != "methods":
        return markdown
    tables = _beside("methods_table", BENCHMARKS)
    made = {"measured": tables.table(Path(name).stem), "methods": _methods(), "members": tables.members()}
    for block, text in made.items():
        markdown = markdown.replace(f"<!-- {block} -->", text)
    return markdown


def _methods() -> str:
    measured = _beside("methods_table", BENCHMARKS).overview
    rows = [
        (f"[{one.title}]({one.name}.md)", one.paper, one.task, *measured(one.name), one.expected, one.time)
        for one in map(load_method, method_names())
    ]
    return _table(
        ("method", "paper", "task", "software", "columns of 1 bit", "circuits", "expected", "time"), rows
    )


def _models(cards: list[Card]) -> str:
    rows = [
        f"| [{name}]({name}.md) | {_first_line(model)} | {sum(card.device.model == name for card in cards)} |"
        for name, model in MODELS.items()
    ]
    head = "# Device models\n\nEach is written once, as a current and a rate per state; everything else is derived.\n"
    return "\n".join([head, "| model | | cards |", "|---|---|---|", *rows, ""])


def _first_line(model: type[Device]) -> str:
    return (inspect.getdoc(model) or "").splitlines()[0]


def _model(model: type[Device], cards: list[Card]) -> str:
    own = [card for card in cards if card.device.model == model.model]
    module = sys.modules[model.__module__]
    parts = [
        f"# {model.model}\n\n{_first_line(model)}",
        _picture(model.model),
        "## Equations\n\nCurrent in A and rates of the states in 1/s, at the voltage v, as the simulators run them.",
        *_equations(model),
        _notes(module),
        "## States\n\n" + _table(("name", "start", "range", "meaning"), _states(model)),
        "## Parameters\n\n" + _table(("name", "default", "unit", "allowed", "meaning"), _parameters(model)),
        f"Source of the model: {model.reference}",
        "## Cards\n\n" + "\n\n".join(_card(card) for card in own) if own else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _picture(model: str) -> str:
    if not (HERE / "models" / f"{model}.png").exists():
        return ""
    words = _beside("pictures").caption(model)
    return f"![{words}]({model}.png)\n\n{words} Drawn by `docs/pictures.py`."


def _beside(name: str, folder: Path = HERE) -> Any:
    """A module of a folder that is no package."""
    sys.path.insert(0, str(folder))
    try:
        return import_module(name)
    finally:
        sys.path.pop(0)


def _equations(model: type[Device]) -> list[str]:
    form = model().expressions
    wanted = [("i", form.current)]
    wanted += [(f"d{state}/dt", rate) for state, rate in zip(form.states, form.rates, strict=True)]
    long = max(sp.count_ops(expression) for _, expression in wanted) > LONG
    helpers, expressions = (
        sp.cse([e for _, e in wanted], symbols=sp.numbered_symbols("a"))
        if long
        else ([], [e for _, e in wanted])
    )
    lines = [(str(symbol), expression) for symbol, expression in helpers]
    lines += [(name, expression) for (name, _), expression in zip(wanted, expressions, strict=True)]
    return [_equation(name, expression) for name, expression in lines]


def _equation(name: str, expression: sp.Expr) -> str:
    left = mathml(sp.Symbol(name), printer="presentation") if "/" not in name else _rate(name)
    rounded = expression.xreplace({one: sp.Float(one, 6) for one in expression.atoms(sp.Float)})
    right = mathml(rounded, printer="presentation", mul_symbol="dot")
    return f'<math display="block"><mrow>{left}<mo>=</mo>{right}</mrow></math>'


def _rate(name: str) -> str:
    state = name.removeprefix("d").removesuffix("/dt")
    return f"<mfrac><mrow><mi>d</mi><mi>{escape(state)}</mi></mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"


def _notes(module: ModuleType) -> str:
    text = inspect.getdoc(module)
    block = f'<div class="notes" markdown>\n\n```text\n{text}\n```\n\n</div>'
    return f"## How it is meant\n\n{block}" if text else ""


def _states(model: type[Device]) -> list[tuple[str, ...]]:
    return [
        (f"`{n}`", f"{s.initial:g}", f"{s.low:g} to {s.high:g}", s.meaning) for n, s in model.states.items()
    ]


def _parameters(model: type[Device]) -> list[tuple[str, ...]]:
    return [(f"`{n}`", f"{p.default:g}", p.unit, _allowed(p), p.meaning) for n, p in model.parameters.items()]


def _allowed(parameter: Parameter) -> str:
    """The range in words, without ends at infinity."""
    text = parameter.allowed().replace("-inf <= ", "").replace(" <= inf", "")
    return {"value": "any", "0 < value": "above 0"}.get(text, text.replace("<=", "≤"))


def _card(card: Card) -> str:
    values = ", ".join(f"`{name} = {value:g}`" for name, value in card.device.values.items())
    return (
        f"### {card.name}\n\n{card.description}. Source: {card.source}. Memory at zero voltage: "
        f"{memory(card.device)}.\n\n{values}"
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def _commands() -> str:
    import typer

    from memsim.cli import app

    root: Any = typer.main.get_command(app)
    head = (HERE / "commands.txt").read_text(encoding="utf-8")
    return (
        head + "\n\n".join(_command(name, command) for name, command in sorted(root.commands.items())) + "\n"
    )


def _command(name: str, command: Any) -> str:
    rows = []
    for option in command.params:
        names = (
            ", ".join(f"`{one}`" for one in option.opts)
            if option.param_type_name == "option"
            else f"`{option.name}`"
        )
        rows.append((names, " ".join((getattr(option, "help", "") or "").split())))
    doc = inspect.cleandoc(command.help or "")
    return f"## memsim {name}\n\n{doc}\n\n" + _table(("option", "what it does"), rows)


def _measured() -> str:
    tables = _beside("tables", BENCHMARKS)
    body = tables.measured(tables.everything()).replace(tables.BEGIN, "").replace(tables.END, "").strip()
    head = (HERE / "measured.txt").read_text(encoding="utf-8")
    return f"{head}\n{body}\n"
