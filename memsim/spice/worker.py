"""Worker process of the shared engine: receives decks, answers with vectors."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

PARENT_CHECK = 0.5
"""How often a worker looks whether its parent lives [s]."""


def main(descriptor: int, path: str) -> None:
    """Serve decks from the connection until it closes, with the library of ngspice at a path."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection = Connection(descriptor)
    try:
        library = _library(path)
    except Exception as cause:  # noqa: BLE001  (whatever it is, the parent must be told)
        connection.send({"error": f"{type(cause).__name__}: {cause}"})
        return
    connection.send({"error": ""})
    while True:
        try:
            deck = connection.recv()
        except EOFError:
            return
        connection.send(_answer(library, deck))


def _end_with_parent() -> None:
    """Leave a run, however deep in the library, when nobody waits for it any more."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(1)


def _library(path: str) -> Any:
    """An instance of PySpice's library that collects messages instead of taking each for an error."""
    logging.disable(logging.CRITICAL)
    from PySpice.Spice.NgSpice.Shared import NgSpiceShared, ffi, ffi_string_utf8

    class Library(NgSpiceShared):
        LIBRARY_PATH = path

        @staticmethod
        def _send_char(message: Any, _id: int, user_data: Any) -> int:
            # PySpice calls every line on stderr an error, notes of a gmin stepping that succeeds included.
            library = ffi.from_handle(user_data)
            library._stdout.append(ffi_string_utf8(message).partition(" ")[2])
            return 0

    return Library()


def _answer(library: Any, deck: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "fatal": False,
        "names": [],
        "types": [],
        "vectors": [],
        "title": "",
        "plot": "",
    }
    log: list[str] = []
    try:
        library.load_circuit(deck)
        log += library._stdout
        library.exec_command("run")
        log += library._stdout
    except Exception as cause:  # noqa: BLE001
        log += [*library._stdout, f"{type(cause).__name__}: {cause}"]
        answer["fatal"] = True
    else:
        answer.update(_vectors(library))
        answer["title"] = deck.partition("\n")[0].removeprefix(".title ")
        library.destroy()
        library.remove_circuit()
    return {**answer, "log": "\n".join(log)}


def _vectors(library: Any) -> dict[str, Any]:
    plot = library.last_plot
    if plot == "const":
        return {}
    found = list(library.plot(None, plot).values())
    axis = [
        vector for vector in found if vector._name in ("time", "frequency") or vector._name.endswith("-sweep")
    ]
    found = axis + [vector for vector in found if vector not in axis]
    return {
        "plot": plot,
        "names": [vector._name for vector in found],
        "types": [vector._type._name for vector in found],
        "vectors": [np.asarray(vector._data) for vector in found],
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
