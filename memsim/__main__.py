"""`python -m memsim`, the command."""

from memsim.cli import main

if __name__ == "__main__":
    main()
