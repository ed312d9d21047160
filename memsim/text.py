"""Text files as others write them, of bounded size.

Our own formats are UTF-8, with or without a byte order mark. What instruments and other simulators write is read as it
comes: UTF-8, UTF-16, and else as Windows-1252, of which Latin-1 is a part.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from memsim.errors import InputError

MOST_BYTES = 2**26
"""Largest text file that is read whole."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD = 64
_WINDOWS = {
    byte: character
    for byte in range(0x80, 0xA0)
    if (character := bytes([byte]).decode("cp1252", errors="ignore"))
}
"""Characters of Windows-1252 where Latin-1 has control codes."""


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
    if _byte_order(content) is not None:
        raise InputError(
            f"{name} cannot be read: it is text in UTF-16; save it as UTF-8, in Excel as `CSV UTF-8`"
        )


def decoded(content: bytes) -> str:
    """Text of bytes that somebody else's program wrote, whatever they are; a byte order mark is left out."""
    order = _byte_order(content)
    if order is not None:
        return content.decode(order, errors="replace").removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1").translate(_WINDOWS)


def _byte_order(content: bytes) -> str | None:
    """Which UTF-16 a text begins as: by its mark, or by a null byte in every character; None where it does not."""
    head = content[:_HEAD]
    for mark, name, empty in zip(_UTF_16, ("utf-16-le", "utf-16-be"), (head[1::2], head[::2]), strict=True):
        if head.startswith(mark) or (len(head) > 3 and not any(empty)):
            return name
    return None


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


def meant(word: str, known: Collection[str], mark: str = "") -> str:
    """End of a sentence that asks whether another word was meant; empty where none is near."""
    near = get_close_matches(word, known, n=1, cutoff=0.75)
    return f"; did you mean {mark}{near[0]}?" if near else ""
