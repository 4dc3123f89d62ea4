"""Money: decimal USD at the edges, whole nano-dollars where it is added up.

One rule of rounding: what is spent or reserved is rounded up to the next nano-dollar (10⁻⁹ USD), a limit down. So a sum
of rounded amounts is never below the sum of the exact ones, and a limit is never above what was set.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation

from vera_orchestrator.errors import InvalidValue

NANOS = 1_000_000_000
# a day's nano-dollars fit in 64 bits with room to spare
MOST = 1_000_000_000
# a context of our own: the program around us may have set a coarser one for its thread
EXACT = Context(prec=60)


def usd(value: Decimal | int | float | str, *, field: str = "amount") -> Decimal:
    """Return an amount of money as it is written (0.1 is a tenth); raises InvalidValue outside 0 to `MOST`.

    Floats occur only in what callers give (a JSON number, an argument); their shortest decimal form is meant.
    """
    try:
        amount = Decimal(value if isinstance(value, Decimal) else str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= MOST):
        raise InvalidValue(
            f"{value!r} is not an amount of money.", field=field, remedy=f"Give USD, from 0 to {MOST:,}."
        )
    return amount


def to_nanos(amount: Decimal) -> int:
    """Return USD as nano-dollars, rounded up: for what is spent or reserved."""
    return int(EXACT.multiply(amount, Decimal(NANOS)).to_integral_value(ROUND_CEILING))


def limit_nanos(amount: Decimal) -> int:
    """Return USD as nano-dollars, rounded down: for a limit."""
    return int(EXACT.multiply(amount, Decimal(NANOS)).to_integral_value(ROUND_FLOOR))


def from_nanos(nanos: int) -> Decimal:
    """Return nano-dollars as USD, exactly."""
    return EXACT.scaleb(Decimal(nanos), -9)


def shown(nanos: int) -> str:
    """Return nano-dollars as text for people, with at least cents: `1.20 USD`."""
    whole, part = divmod(nanos, NANOS)
    digits = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits} USD"
