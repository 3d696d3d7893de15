"""What was not run, summed up: a line for each package that is missing, a line for each other reason."""

import re
from collections import Counter


def count(reports):
    """How many of pytest's skipped reports have each reason."""
    return Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)


def summary(reasons):
    """The lines to print, none if nothing was skipped."""
    packages, others = Counter(), Counter()
    for reason, number in reasons.items():
        package = re.search(r"install the package (\S+)", reason)
        if package:
            packages[package[1]] += number
        else:
            others[reason.strip()] += number
    lines = []
    if packages:
        lines.append("Not run, as a package is missing (`make peers` installs them all):")
        lines += [f"{number:6} want {package}" for package, number in packages.most_common()]
    if others:
        lines.append("Not run, for another reason:")
        lines += [f"{number:6} {reason}" for reason, number in others.most_common()]
    return lines
