"""Labels with a bound on how many there are: each of them is a series that somebody keeps for ever."""

from __future__ import annotations

OTHER = "other"


class Names:
    """Gives the first `most` names as they are, and all further ones as "other"."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, str] = {}

    def __call__(self, name: str | None) -> str:
        """Return the label for a name; that of none is empty."""
        if not name:
            return ""
        label = self._known.get(name)
        if label is None:
            if len(self._known) >= self._most:
                return OTHER
            # half a character of UTF-16 has no form in UTF-8
            label = self._known[name] = name.encode("utf-8", "replace").decode()
        return label
