"""A container's output as it comes, by Docker's protocol for attached streams.

The SDK has this too, but leaves the socket open until it is collected.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from requests import Response

STDERR = 2
CONNECT_SECONDS = 60
# source, three unused bytes, length: https://docs.docker.com/engine/api/v1.41/#operation/ContainerAttach
HEADER = struct.Struct(">BxxxL")
PIECE = 65_536


def attach(client: Any, name: str) -> Response:
    """Follow stdout and stderr of a container, which need not be started yet; close the response in the end.

    Raises what the SDK's client raises.
    """
    response: Response = client.post(
        f"{client.base_url}/v{client.api_version}/containers/{name}/attach",
        params={"stream": 1, "stdout": 1, "stderr": 1},
        stream=True,
        timeout=(CONNECT_SECONDS, None),  # a program may be silent for as long as it likes
    )
    response.raise_for_status()
    return response


def frames(response: Response) -> Iterator[tuple[int, bytes]]:
    """Yield the source (1 stdout, 2 stderr) and the bytes of each piece of output, until the container has ended."""
    while len(header := response.raw.read(HEADER.size)) == HEADER.size:
        source, left = HEADER.unpack(header)
        while left and (data := response.raw.read(min(left, PIECE))):
            left -= len(data)
            yield source, data
