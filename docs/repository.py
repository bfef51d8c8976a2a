"""The files of the repository, found without git: a source archive has them too."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MADE = {"__pycache__", "mutants.out", "node_modules", "target"}


def files(under=""):
    """The paths below a folder from the root, but for hidden folders and what builds and installs make."""
    found = []
    for folder, folders, names in os.walk(os.path.join(ROOT, under)):
        folders[:] = sorted(name for name in folders if name not in MADE and not name.startswith("."))
        # A virtual environment has this file.
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in sorted(names)]
    return found
