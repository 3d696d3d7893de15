#!/usr/bin/env python3
"""make hand-in NAME='Alice Martin': an archive of what you have made, for who teaches:
build/hand-in/alice-martin-2026-11-25-1412.tar.gz, with your name and the time.

In it is one folder, alice-martin/, with the programs as they stand, what they need to be built, and
all that you have added: your own server, in any language, and the file `run` with its command, by
which the judge finds it (notes/judge.md). Not in it: our build/, tests/ and notes/, hidden files,
links, files over 1 MiB, and what you may not read.
"""

import datetime
import os
import re
import stat
import sys
import tarfile
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from spoken import say  # noqa: E402

OURS = {"build", "tests", "notes"}  # at the top
LEFT_OUT = {"node_modules", "__pycache__", "venv"}
MOST = 1 << 20  # bytes of a file
BAD_USAGE = 2


def slug(name):
    """A name as a file is called: Éloïse d'Arc, eloise-d-arc; 李雷 as it is."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    latin = re.sub("[^a-z0-9]+", "-", plain.lower()).strip("-")
    return latin or re.sub(r"\W+", "-", name.lower()).strip("-")


def contents(root):
    """(what goes in, what is too large or no file), as paths below root."""
    taken, refused = [], []
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in (LEFT_OUT | OURS if here == root else LEFT_OUT)
            and not (here / name).is_symlink()
        )
        for file in sorted(here / name for name in files if not name.startswith(".")):
            status = file.lstat()
            fits = stat.S_ISREG(status.st_mode) and status.st_size <= MOST
            (taken if fits and os.access(file, os.R_OK) else refused).append(file.relative_to(root))
    return taken, refused


def hand_in(name, root=ROOT, now=None):
    """Makes the archive, and returns (its path, what is in it, what is not)."""
    student, now = slug(name), now or datetime.datetime.now()
    taken, refused = contents(root)
    archive = root / f"build/hand-in/{student}-{now:%Y-%m-%d-%H%M}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)

    def nobody(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(archive, "w:gz") as tar:
        for path in taken:
            tar.add(root / path, f"{student}/{path}", filter=nobody)
    return archive, taken, refused


def main(words):
    name = " ".join(words)
    if not slug(name):
        print(say("Whose is it?  make hand-in NAME='Alice Martin'",
                  "Au nom de qui ?  make hand-in NAME='Alice Martin'"), file=sys.stderr)
        return BAD_USAGE
    archive, taken, refused = hand_in(name)
    for path in refused:
        print(say(f"not in it: {path} (a link, not yours to read, or over 1 MiB)",
                  f"laissé de côté : {path} (un lien, illisible, ou plus de 1 Mio)"))
    if Path("run") not in taken:
        print(say("There is no file `run`: the judge will not know how to start a server of "
                  "yours.\nIf you wrote one, its command goes there:",
                  "Il n'y a pas de fichier `run` : le juge ne pourra pas lancer votre serveur.\n"
                  "Si vous en avez écrit un, mettez-y sa commande :"),
              " echo 'python3 moi.py {port}' > run")
    kib = -(-archive.stat().st_size // 1024)
    print(archive.relative_to(ROOT), say(f"({len(taken)} files, {kib} KiB)",
                                         f"({len(taken)} fichiers, {kib} Kio)"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
