"""What Prefect's UI shows beside the types of blocks of this project."""

from pydantic import HttpUrl

DOCUMENTATION = HttpUrl("https://docs.prefect.io/latest/develop/blocks")
LOGO = HttpUrl(
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
    "/assets/block-logos/secret.png"
)
"""Prefect's own picture of a key."""
