"""Studies that ship with memsim: `study.toml` of a method goes by its name, `circuits.toml` by NAME-circuits."""

from __future__ import annotations

from pathlib import Path

from memsim.errors import InputError
from memsim.tables import Table
from memsim.text import meant
from memsim.toml import checked, read_toml

HERE = Path(__file__).parent
ABOUT, STUDY = "about.toml", "study.toml"


class Method(Table):
    """A method of the literature.

    Attributes:
        name: that its study is trained by.
        title: what it is called.
        paper: where it was published.
        task: what its study learns.
        expected: of a training of that study.
        time: that it takes.
    """

    name: str
    title: str
    paper: str
    task: str
    expected: str
    time: str

    @property
    def studies(self) -> dict[str, Path]:
        """Files of its studies, by the names that they are trained by."""
        files = sorted(path for path in (HERE / _folder(self.name)).glob("*.toml") if path.name != ABOUT)
        return {
            self.name if path.name == STUDY else f"{self.name}-{path.stem}": path
            for path in sorted(files, key=lambda path: path.name != STUDY)
        }


def _folder(name: str) -> str:
    """Of a method, which is a package where it has code."""
    return name.replace("-", "_")


def method_names() -> list[str]:
    """Names of all methods."""
    return sorted(path.parent.name.replace("_", "-") for path in HERE.glob(f"*/{ABOUT}"))


def load_method(name: str) -> Method:
    """A method by name.

    Raises:
        InputError: there is no such method.
    """
    if name not in method_names():
        raise InputError(
            f"method {name!r} is unknown; known: {', '.join(method_names())}{meant(name, method_names())}"
        )
    about = HERE / _folder(name) / ABOUT
    return checked(Method, {**read_toml(about, "method"), "name": name}, f"method {name!r}")


def study_path(study: Path) -> Path:
    """The file of a study: one that ships with memsim by its name, any other by its path.

    Raises:
        InputError: a name that is a file here, too, or neither.
    """
    shipped = {name: path for one in method_names() for name, path in load_method(one).studies.items()}
    name = str(study)
    if name in shipped:
        if study.is_file():
            raise InputError(
                f"study {name!r} is a file here, and ships with memsim, too; rename the file, or give "
                f"{str(study.absolute())!r}"
            )
        return shipped[name]
    if not study.suffix and not study.exists():
        raise InputError(
            f"study {name!r} is no file, and does not ship with memsim; shipped: {', '.join(shipped)}"
        )
    return study
