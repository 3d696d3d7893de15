"""Numbers as JavaScript reads and writes them, for the three web servers in Python."""
import math
import re
from decimal import Decimal


def number(text):
    """The finite number that `text` is; ValueError, in French, when it is none."""
    if not text:
        raise ValueError("manque")
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ValueError("n'est pas un nombre")
    return finite(float(text), "est trop grand")


def finite(value, otherwise):
    if not math.isfinite(value):
        raise ValueError(otherwise)
    return value


def written(value):
    """repr() has the right digits, and lays them out in its own way: 2.0, 1e+16, 1e-05."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, point = "".join(map(str, digits)), len(digits) + exponent
    if value == 0:
        return "0"
    if 0 < point <= 21:
        text = digits.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if text[point:] else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def calcul(a, b):
    """(status, JSON) for the texts of the two numbers, None where there is none."""
    try:
        numbers = []
        for name, text in (("a", a), ("b", b)):
            try:
                numbers.append(number(text))
            except ValueError as wrong:
                raise ValueError(f"{name} {wrong}") from None
        total = finite(sum(numbers), "la somme est trop grande")
    except ValueError as wrong:
        return 400, f'{{"erreur":"{wrong}"}}'
    return 200, '{{"a":{},"b":{},"somme":{}}}'.format(*map(written, [*numbers, total]))
