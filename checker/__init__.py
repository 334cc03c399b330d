"""The independent checker: reads the sent log, the Kafka log and the database, and counts faults.

It shares no code with the rooms it checks, so that the same mistake cannot stand on both sides. It
has its own compatibility table, eligibility rule and reading of the schema. It writes nothing.

Run it on a system that has come to rest: a message that is still on its way counts as lost.
"""

from checker.report import CheckResult, Report
from checker.run import check

__all__ = ["CheckResult", "Report", "check"]
