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
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from spoken import say  # noqa: E402

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


def known():
    """The names of the files that git knows; nothing where this is no clone, or there is no git."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        return []
    return list(filter(None, listed.stdout.split("\0"))) if listed.returncode == 0 else []


def main():
    files = known()
    if not files:
        print(say("What goes in is what git knows: git is missing, or this is no clone. To make it one:",
                  "On y met ce que git connaît : git manque, ou ce dossier n'est pas un clone. Pour en faire un :"),
              "git init && git add . && git commit -m socklab", file=sys.stderr)  # fmt: skip
        return 1
    (ROOT / "build").mkdir(exist_ok=True)
    archive = ROOT / "build/socklab.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for file in files:
            if LEFT_OUT.match(file) or not (ROOT / file).is_file():
                continue
            entry = tar.gettarinfo(ROOT / file, f"socklab/{file}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.size = len(text := contents(file))
            tar.addfile(entry, io.BytesIO(text))
    print(archive.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
