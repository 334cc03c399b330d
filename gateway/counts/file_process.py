"""Reads a station's file here or, if it is large, in a process of its own.

A large file keeps the interpreter busy for seconds, and an urgent request must not wait for it: a
separate process reads it and ends.
"""

from __future__ import annotations

import asyncio
import pickle
import sys

from gateway.counts.count_files import CountRead, ReadOptions, read_here
from models.errors import ContractError, TransientError

APART_BYTES = 250_000
"""A larger file is read in a separate process. This size is about 2,500 units, read in 0.1 s."""

READ_LIMIT_S = 90.0


async def read_count(raw: bytes, options: ReadOptions) -> CountRead:
    """Read a file.

    Raises:
        ContractError: As `read_here` does.
        TransientError: `file_reader_ended`: the process ended without an answer.
    """
    if len(raw) <= APART_BYTES:
        return await asyncio.to_thread(read_here, raw, options)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.counts.file_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READ_LIMIT_S):
            answer, _ = await child.communicate(pickle.dumps((raw, options)))
    except TimeoutError:
        raise TransientError("file_reader_ended", detail=f"{READ_LIMIT_S} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise TransientError("file_reader_ended", detail=f"exit code {child.returncode}")
    found = pickle.loads(answer)  # noqa: S301 - written by `main`
    if isinstance(found, CountRead):
        return found
    code, params = found
    raise ContractError(code, **params)


def main() -> None:
    """Run the separate process: read a file, write what it holds, and end."""
    import gc  # noqa: PLC0415 - only here: nothing is kept long enough to be worth collecting

    gc.disable()
    raw, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by `read_count`
    answer: object
    try:
        answer = read_here(raw, options)
    except ContractError as error:
        answer = error.code, dict(error.params)
    pickle.dump(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
