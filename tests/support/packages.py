"""What the tests and the tools want besides our own programs: the list beside this, `packages`."""

from pathlib import Path

# {what is asked for: the Debian package that has it}
PACKAGES = dict(
    line.split()[:2]
    for line in Path(__file__).with_suffix("").read_text().splitlines()
    if line and not line.startswith("#")
)
