"""``python -m erfgraph``."""

from erfgraph.cli import run

if __name__ == "__main__":
    run()
