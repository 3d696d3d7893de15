#!/usr/bin/env python3
"""make handout: an archive of the project for a class, build/socklab.tar.gz, without the answers to
the exercises and without what only who maintains the project needs. It builds, and passes `make
test`.

What git knows goes in, as it stands in the working tree. Paragraphs of the README and of the
Makefile that are about what is left out are left out too.
"""

import io
import re
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = re.compile(
    r"\.ci/|\.git|CHANGELOG|CONTRIBUTING|tests/handout|notes/(fr/)?teacher\.md|tests/blackbox/test_(answers|handout)\.py"
    r"|tests/(answers|portable|soak)/"
)
# A paragraph goes that has one of these: a target of the Makefile, or a word about it.
GONE = "answers|portable|soak|handout"
TEACHER = r"[(/]teacher\.md"
PARAGRAPHS = {
    "Makefile": rf"(?m)^({GONE}):",
    "README.md": rf"`make ({GONE})`|tests/answers|{TEACHER}",
    "README.fr.md": rf"`make ({GONE})`|tests/answers|{TEACHER}",
    "notes/README.md": TEACHER,
    "notes/fr/README.md": TEACHER,
}


def contents(file):
    """A file as it goes into the archive."""
    text = (ROOT / file).read_bytes()
    if file not in PARAGRAPHS:
        return text
    kept = [
        paragraph
        for paragraph in re.split(r"(?<=\n)\n", text.decode())
        if not re.search(PARAGRAPHS[file], paragraph)
    ]
    return "\n".join(kept).encode()


def main():
    known = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    (ROOT / "build").mkdir(exist_ok=True)
    archive = ROOT / "build/socklab.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for file in filter(None, known.split("\0")):
            if LEFT_OUT.match(file) or not (ROOT / file).is_file():
                continue
            entry = tar.gettarinfo(ROOT / file, f"socklab/{file}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.size = len(text := contents(file))
            tar.addfile(entry, io.BytesIO(text))
    print(archive.relative_to(ROOT))


if __name__ == "__main__":
    main()
