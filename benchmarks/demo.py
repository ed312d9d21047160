"""Wall time of each stage of `make demo`, from a fresh folder.

python benchmarks/demo.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from common import save_result

from memsim.cli.demo import SUMMARY, run_demo


def main() -> None:
    """Run the demo and save its stages."""
    with tempfile.TemporaryDirectory() as folder:
        run_demo(Path(folder))
        stages = json.loads((Path(folder) / SUMMARY).read_text(encoding="utf-8"))["stages"]
    save_result("demo", "python benchmarks/demo.py", {"stages": stages})


if __name__ == "__main__":
    main()
