"""Text files as others write them: UTF-8 with or without a byte order mark, UTF-16 named as such, of bounded size."""

from __future__ import annotations

import codecs
from pathlib import Path

from memsim.errors import InputError

MOST_BYTES = 2**26
"""Largest text file that is read whole."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD = 64


def read_text(path: str | Path, name: str, wanted: str) -> str:
    """Content of a text file.

    Args:
        path: of the file.
        name: what it is, for messages: `study 'my.toml'`.
        wanted: what to give instead, for messages: `a TOML file`.

    Raises:
        InputError: no such file, one that is too large, or not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist; give the path of {wanted}") from None
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        raise InputError(f"{name} cannot be read: {_reason(error)}; give the path of {wanted}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{name} has more than {MOST_BYTES >> 20} MiB; give {wanted}")
    refuse_utf_16(content, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} cannot be read: byte {error.start} is not UTF-8; save it as text in UTF-8"
        ) from None


def refuse_utf_16(content: bytes, name: str) -> None:
    """Raise InputError where a text begins as UTF-16 does: with its mark, or with a null byte in every character."""
    head = content[:_HEAD]
    unmarked = len(head) > 3 and (not any(head[::2]) or not any(head[1::2]))
    if head.startswith(_UTF_16) or unmarked:
        raise InputError(
            f"{name} cannot be read: it is text in UTF-16; save it as UTF-8, in Excel as `CSV UTF-8`"
        )


def check_encoding(path: Path) -> None:
    """Raise InputError where a text file cannot be read, or is in UTF-16."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: no such file or directory; give the path of a table") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}; give the path of a table") from None
    refuse_utf_16(head, str(path))


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
