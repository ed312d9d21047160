"""Verified batches on disk, so that an interrupted verification goes on where it stopped."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from memsim.errors import InputError
from memsim.files import replacing
from memsim.networks import MemristiveNetwork
from memsim.verify.comparison import Batch

FOLDER = "verification"
KEY = "key"


@dataclass(frozen=True)
class Store:
    """Batches of one network, verified in one way.

    Attributes:
        folder: of the run.
        key: of the network and the way; batches of another key do not count.
    """

    folder: Path
    key: str

    def load(self, name: str) -> Batch | None:
        """A batch by its name; None where there is none of this key."""
        try:
            # np.load leaves a file that it cannot read open
            with self._path(name).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if str(stored[KEY]) != self.key:
                    return None
                return Batch(**{field.name: stored[field.name] for field in fields(Batch)})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path(name)} is damaged ({error}); delete it and verify again") from None

    def save(self, name: str, batch: Batch) -> None:
        """Keep a batch."""
        with replacing(self._path(name)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{KEY: np.array(self.key)}, **vars(batch))

    def _path(self, name: str) -> Path:
        return self.folder / FOLDER / f"{name}.npz"


def key_of(network: MemristiveNetwork, *settings: object) -> str:
    """SHA-256 of everything that a verification depends on besides the images."""
    others = [f"{cell.name} {cell.digest}" for cell in network.cells if cell.name != network.study.neuron]
    digest = hashlib.sha256(" ".join([network.study.model_dump_json(), str(settings), *others]).encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
