"""The HTML report: one offline page, Chinese first, that a station's director can read."""

from demo.report.page import write_report

__all__ = ["write_report"]
