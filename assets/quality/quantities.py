"""Numbers in a text, as values that compare however they are written: 1,000 is 1000, 5 % five percent, 2 weeks 14 days.

Here belong numbers, their units and times of day, in seven languages; calendar dates are dates.py. All of it reads text as
`plain` of sentences.py gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

_PERCENT = "%|percent|per cent|prozent|pour ?cent|por ciento|per cento|por cento|procent"
_UNITS: dict[str, tuple[str, str]] = {
    # words of the unit: dimension and its factor
    f"(?:{_PERCENT})": ("%", "1"),
    "€|euros?|eur": ("EUR", "1"),
    r"\$|dollars?|usd|dolares": ("USD", "1"),
    "£|gbp": ("GBP", "1"),
    "milliseconds?|millisekunden?|ms": ("s", "0.001"),
    "seconds?|secs?|sekunden?|secondes?|segundos?|secondi|seconden": ("s", "1"),
    "minutes?|mins?|minuten?|minutos?|minuti": ("s", "60"),
    "hours?|hrs?|stunden?|heures?|horas?|ore|uren": ("s", "3600"),
    "(?:working |business )?days?|(?:werk|arbeits)?tagen?|tage?s?|jours?|dias?|giorni|dagen": ("s", "86400"),
    "weeks?|wochen?|semaines?|semanas?|settimane|weken": ("s", "604800"),
    "months?|monaten?|monate?s?|mois|mes(?:es)?|mesi|maanden": ("month", "1"),
    "years?|jahren?|jahre?s?|ans|annees?|anos?|anni|jaar|jaren": ("month", "12"),
    "mm|milli(?:meters?|metres?|meter)": ("m", "0.001"),
    "cm|centi(?:meters?|metres?)|zentimeter": ("m", "0.01"),
    "m|meters?|metres?|metros?|metri": ("m", "1"),
    "km|kilomet(?:ers?|res?|ros?|ri)": ("m", "1000"),
    "miles?|meilen?": ("mile", "1"),
    "g|gramm?s?|grammes?|gramos?": ("g", "1"),
    "kg|kilos?|kilogramm?s?": ("g", "1000"),
    "ml|millilit(?:ers?|res?)": ("l", "0.001"),
    "l|lit(?:ers?|res?|ros?|ri)": ("l", "1"),
    "kb": ("byte", "1e3"), "mb": ("byte", "1e6"), "gb": ("byte", "1e9"), "tb": ("byte", "1e12"),
    "°c": ("°C", "1"), "°f": ("°F", "1"), "kwh": ("kWh", "1"),
}  # fmt: skip
_SCALES = {
    "hundred|hundert|cientos?|cento|honderd": "1e2",
    "k|thousand|tausend|tsd|mille|mil|mila|duizend": "1e3",
    "mio|mn|millions?|millionen|millones|milhoes|milioni|miljoen": "1e6",
    "bn|mrd|billions?|milliarden?|milliards?|miliardi|miljard": "1e9",
}
_COUNTS = {
    2: "two|zwei|deux|dos|due|dois|duas|twee", 3: "three|drei|trois|tres|tre|drie",
    4: "four|vier|quatre|cuatro|quattro|quatro",
    5: "five|funf|cinq|cinco|cinque|vijf", 6: "six|sechs|seis|sei|zes", 7: "seven|sieben|sept|siete|sette|sete|zeven",
    8: "eight|acht|huit|ocho|otto|oito", 9: "nine|neun|neuf|nueve|nove|negen", 10: "ten|zehn|dix|diez|dieci|dez|tien",
    11: "eleven|elf|onze|once|undici", 12: "twelve|zwolf|douze|doce|dodici|doze|twaalf", 15: "fifteen|funfzehn|quinze",
    20: "twenty|zwanzig|vingt|veinte|venti|vinte|twintig", 30: "thirty|dreissig|trente|treinta|trenta|dertig",
    50: "fifty|funfzig|cinquante|cincuenta|cinquanta|vijftig", 100: "hundred|hundert|cien|honderd",
}  # fmt: skip
_DIGITS = r"\d{1,3}(?:[ \u00a0\u2009\u202f.,'’]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_WORDED = "|".join(_COUNTS.values())
_CLOCK = re.compile(
    r"\b([01]?\d|2[0-4])[:h]([0-5]\d)\b(?:\s?([ap])\.?m\b)?|\b(1[0-2]|[1-9])\s?([ap])\.?m\b|\b([01]?\d|2[0-4])\s?uhr\b"
)
_QUANTITY = re.compile(
    rf"(?P<sign>[€$£])?\s?(?<![a-z\d_.,])(?:(?P<digits>{_DIGITS})|\b(?P<worded>{_WORDED})\b)"
    rf"(?:[ -]?(?P<scale>(?:{'|'.join(_SCALES)}))\b)?"
    rf"(?:[\s\u00a0-]?(?P<unit>{'|'.join(_UNITS)})(?!\w))?"
)
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}
_WORD_VALUE = {word: Decimal(value) for value, names in _COUNTS.items() for word in names.split("|")}
_SCALE_OF = [(re.compile(names), Decimal(factor)) for names, factor in _SCALES.items()]
_UNIT_OF = [(re.compile(names), dimension, Decimal(factor)) for names, (dimension, factor) in _UNITS.items()]


@dataclass(frozen=True)
class Quantity:
    """A number as it may be meant: `plain` are its values as written (1.000 has two), `measured` those in the base unit of
    `dimension`, which is None where no unit is known."""

    plain: frozenset[Decimal]
    measured: frozenset[Decimal]
    dimension: str | None

    def agrees(self, other: Quantity) -> bool:
        """The same value in the same dimension; a number without a unit agrees with one that has any."""
        if self.dimension is None or other.dimension is None:
            return not self.plain.isdisjoint(other.plain)
        return self.dimension == other.dimension and not self.measured.isdisjoint(other.measured)


def quantities(text: str) -> list[Quantity]:
    """The numbers of a plain text in their order. Digits within words (A380, v12) are no numbers."""
    found = [_clock(match) for match in _CLOCK.finditer(text)]
    return found + [_quantity(match) for match in _QUANTITY.finditer(_CLOCK.sub(" ", text))]


def unsupported(said: Iterable[Quantity], known: Iterable[Quantity]) -> int:
    """How many of `said` agree with none of `known`."""
    there = set(known)
    return sum(not any(quantity.agrees(other) for other in there) for quantity in said)


def _clock(match: re.Match[str]) -> Quantity:
    hour, minute, half, only, only_half, uhr = match.groups()
    hours = int(hour or only or uhr)
    if (half or only_half) == "p" and hours < 12:
        hours += 12
    value = frozenset({Decimal(hours * 60 + int(minute or 0))})
    return Quantity(value, value, "time of day")


def _quantity(match: re.Match[str]) -> Quantity:
    values = _readings(match["digits"]) if match["digits"] else {_WORD_VALUE[match["worded"]]}
    if match["scale"]:
        factor = next(factor for names, factor in _SCALE_OF if names.fullmatch(match["scale"]))
        values = {value * factor for value in values}
    values = {value.normalize() for value in values}
    if match["unit"]:
        dimension, factor = next((d, f) for names, d, f in _UNIT_OF if names.fullmatch(match["unit"]))
        return Quantity(frozenset(values), frozenset((value * factor).normalize() for value in values), dimension)
    return Quantity(frozenset(values), frozenset(values), _SIGNS.get(match["sign"] or ""))


def _readings(digits: str) -> set[Decimal]:
    """What the digits may mean: a sole separator before three digits parts thousands or decimals."""
    digits = re.sub(r"[ \u00a0\u2009\u202f'’]", "", digits)
    marks = [c for c in digits if c in ".,"]
    if not marks:
        return {Decimal(digits)}
    whole, _, fraction = digits.rpartition(marks[-1])
    as_decimal = Decimal(f"{re.sub('[.,]', '', whole)}.{fraction}")
    as_thousands = Decimal(re.sub("[.,]", "", digits))
    if len(marks) > 1:
        return {as_thousands} if len(set(marks)) == 1 else {as_decimal}
    return {as_decimal, as_thousands} if len(fraction) == 3 and not whole.startswith("0") else {as_decimal}
