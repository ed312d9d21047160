"""`memsim train`: a study, trained into a folder."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from memsim.errors import InputError
from memsim.units import parse_si

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from memsim.learn import Dataset, Progress, Run, StepComparison, Study, TrainingError
    from memsim.networks import MemristiveNetwork

STEP_IMAGES = 1_000
TRUST = "Run the code of the Python files that the study names: neurons, policies, rules, losses, metrics."
AUTO_ERROR = 0.05
"""Largest error of a membrane potential, in spikes, that `--step auto` allows."""


def train(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    study: Annotated[
        Path | None,
        typer.Argument(
            help="Study as TOML, every entry has a default; or one that ships by its name, see `memsim methods`."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; runs/STUDY where left out, runs/digits without a study."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Replace the study's data: a data set by name, or your own by path: `.npz`, `.csv`, or a folder."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data sets; MEMSIM_DATA where left out.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Replace the study's number of epochs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Replace the study's seed.")] = None,
    step: Annotated[
        str | None,
        typer.Option(
            help="Replace the study's time step [s]; `auto` halves it until potentials are within 5 % of a spike."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder with its own study.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="What to train on: cpu, cuda, mps or auto.")] = "cpu",
    devices: Annotated[
        int, typer.Option(help="How many of them; each takes a part of every batch.", min=1)
    ] = 1,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs into the folder as well.")
    ] = False,
    step_images: Annotated[
        int,
        typer.Option(
            help="Test images on which the run is compared with ten times finer steps; none with 0.", min=0
        ),
    ] = STEP_IMAGES,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; text goes to standard error.")
    ] = False,
) -> None:
    """Train a fully memristive spiking network by backpropagation through time.

    The run is saved after every epoch, with its history as CSV; `--resume` continues it to the same result. At the
    end the accuracy is reported with the steps of the study and with ten times finer ones.

    Your own data: `.npz` with x_train, y_train, x_test and y_test (or x and y, of which a fifth is kept for the test),
    `.csv` with the label in its last column, or a folder of CLASS/NAME with `.npy`, `.wav` or images. Inputs are
    [n, features], [n, h, w], [n, c, h, w] or [n, time, channels], of any range and sign; targets are classes by number
    or text, or numbers to predict, and then R² stands for accuracy. What is made of them is printed, and what cannot be
    right is refused. A table [data] in the study has more options: name, label, test_share, range, centre and others.

    A study with a table for each of its [[stages]] is trained for in-memory computing hardware of growing realism.

    Examples: `memsim train --epochs 5`, `memsim train my.toml --out runs/mine --seed 1`,
    `memsim train --data my.npz --out runs/mine`,
    `memsim train mnist.toml --out runs/mnist --data-dir data --accelerator cuda`,
    `memsim train equilibrium --data-dir data`
    """
    from memsim import learn
    from memsim.methods import study_path
    from memsim.processes import cores

    out = out or Path("runs") / (study.stem if study else "digits")
    source = out / "study.toml" if resume else study and study_path(study)
    given = {"data": data, "epochs": epochs, "seed": seed, **_steps(step)}
    changes = {name: value for name, value in given.items() if value is not None}
    if resume and (study or changes):
        raise InputError(
            "--resume continues a run with the study in its folder; leave out the study, --data, --epochs, --step "
            "and --seed"
        )
    chosen = learn.load_study(source, trust=trust) if source else learn.make_study()
    chosen = learn.make_study(**{**chosen.model_dump(exclude_none=True, exclude_unset=True), **changes})
    fabric = learn.devices(accelerator, devices)
    if accelerator == "cpu" and devices > cores() and fabric.is_global_zero:
        typer.echo(
            f"{devices} processes share {cores()} processor cores: fewer --devices are faster", err=True
        )
    try:
        run = _train(chosen, out, data_dir, resume, fabric, tensorboard)
    except KeyboardInterrupt:
        typer.echo(
            f"interrupted; finished epochs are kept. Continue with: memsim train --out {out} --resume",
            err=True,
        )
        raise typer.Exit(130) from None
    if fabric.is_global_zero:
        from memsim.report.run import write_run_report

        last = run.kept
        typer.echo(
            f"test {_score(run.data, last.test_accuracy)} after {last.epoch} epochs (loss {last.loss:.3g})",
            err=as_json,
        )
        for name, value in last.scores.items():
            typer.echo(f"test {name} {value:.4g}", err=as_json)
        found = _report_time(run, out, step_images, err=as_json)
        if run.records:
            typer.echo(out / learn.STAGES, err=as_json)
            found["stages"] = [
                {"stage": one.stage.name, "card": one.stage.card, **asdict(one.history[-1])}
                for one in run.records
            ]
        typer.echo(write_run_report(run, out), err=as_json)
        if as_json:
            typer.echo(json.dumps({"out": str(out), **asdict(last), **found}))


def _score(data: Dataset, value: float) -> str:
    return f"R² {value:.4f}" if data.regression else f"accuracy {value:.2%}"


def _steps(step: str | None) -> dict[str, float | None]:
    """Entries of a study for the option --step."""
    if step is None or step == "auto":
        return {"step_error": None if step is None else AUTO_ERROR}
    try:
        return {"step": parse_si(step, "s")}
    except InputError:
        raise InputError(
            f"--step {step} is neither a time nor auto; give seconds, such as 100u, or auto"
        ) from None


def _train(  # noqa: PLR0917 - the options of the command
    study: Study, out: Path, data_dir: Path | None, resume: bool, fabric: Fabric, tensorboard: bool
) -> Run:
    from memsim import learn
    from memsim.cli.progress import training_progress

    with ExitStack() as stack:
        listeners: list[Progress] = []
        if fabric.is_global_zero:
            listeners.append(stack.enter_context(training_progress()))
            if tensorboard:
                listeners.append(stack.enter_context(learn.tensorboard_log(out)))

        def progress(done: int, total: int, record: learn.EpochRecord | None) -> None:
            for listener in listeners:
                listener(done, total, record)

        return learn.train(
            study,
            out,
            data_dir=data_dir,
            resume=resume,
            progress=progress,
            tell=partial(typer.echo, err=True),
            fabric=fabric,
        )


def _report_time(run: Run, out: Path, images: int, *, err: bool) -> dict[str, Any]:
    """What the steps of circuits cost; nothing of other networks."""
    if run.study.discrete or run.records:
        return {}
    steps, error = _report_steps(run, out, images, err=err), _report_error(run, out, err=err)
    return {"steps": steps and asdict(steps), "step_error": asdict(error)}


def _report_steps(run: Run, out: Path, images: int, *, err: bool) -> StepComparison | None:
    from memsim.learn import compare_steps, first, save_comparison

    if images < 1:
        return None
    found = compare_steps(cast("MemristiveNetwork", run.network), first(run.data.test, images))
    save_comparison(found, out)
    if found.same_class is None:
        told = f"R² {found.accuracy:.4f} on {found.images} test examples; ten times finer: {found.fine_accuracy:.4f}"
    else:
        told = (
            f"{found.accuracy:.2%} of {found.images} test images; ten times finer: {found.fine_accuracy:.2%} "
            f"({100 * found.difference:+.2f} points, same class {found.same_class:.1%})"
        )
    typer.echo(f"steps of {found.step:g} s: {told}", err=err)
    return found


def _report_error(run: Run, out: Path, *, err: bool) -> TrainingError:
    from memsim.learn import error_of_steps, save_error

    found = error_of_steps(cast("MemristiveNetwork", run.network), run.data.train)
    save_error(found, out)
    typer.echo(
        f"estimated error of these steps, {found.images} images: potentials {found.error:.2%} of a spike at worst, "
        f"gradient {found.gradient_error:.1%} (cosine {found.gradient_cosine:.3f}); "
        f"1 % at steps of {found.step_for_one_percent:.2g} s",
        err=err,
    )
    if found.warning is not None:
        typer.echo(f"warning: {found.warning}", err=True)
    return found
