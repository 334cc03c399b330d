"""The garbage collector of a process that serves: out of the way of what is urgent."""

from __future__ import annotations

import gc


def settle_heap() -> None:
    """Take what start-up made out of the garbage collector's sight.

    Call once when everything is wired. A full collection over Faust, FastAPI, pydantic and our own
    modules holds every request up for some 70 ms; over what was made since, for a few.
    """
    gc.collect()
    gc.freeze()
    # What a request makes dies with it, without a collector's help: look less often.
    gc.set_threshold(10_000, 10, 50)
