"""`python -m kpbench` is the command `kpbench`."""

from kpbench.cli.main import main

if __name__ == "__main__":
    main()
