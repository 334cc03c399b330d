"""The independent checker: reads what was sent, the raw log and the database, counts faults.

Shares no code with the rooms it checks, so that one mistake cannot stand on both sides. It owns a
compatibility table, an eligibility rule and a reading of the schema of its own. It writes nothing.

Run it on a system that has come to rest: what is still on its way counts as lost.
"""

from checker.report import Check, Report
from checker.run import check

__all__ = ["Check", "Report", "check"]
