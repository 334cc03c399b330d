"""Builds the body of `xuelian request amend`: what is stated changes, the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import typer

from cli.request_opening import Asked, drop_missing
from streams.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """The options of `request amend`; an option that was not given changes nothing."""

    needs: tuple[str, ...] = ()
    packs: int | None = None
    group: str | None = None
    basis: str | None = None
    sex: str | None = None
    age: int | None = None
    age_estimated: bool = False
    antibodies: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    priority: str | None = None
    within_h: float | None = None
    needed_by: str | None = None
    note: str | None = None
    clinician: str | None = None
    release_reason: str | None = None
    passes: tuple[str, ...] = ()
    withdraw_release: bool = False

    def to_body(self, settings: Settings, *, now: datetime) -> dict[str, Any]:
        """Return the body; the gateway judges its values.

        Raises:
            typer.BadParameter: Attributes without lines, or half a release.
        """
        if self.attributes and not self.needs:
            raise typer.BadParameter(
                "同时写 --need：属性是行的 · an attribute is of a line: give --need too",
                param_hint="--attribute",
            )
        asked = self._as_asked().to_body(settings)
        needed_by = None if self.within_h is None else now + timedelta(hours=self.within_h)
        body = {
            "patient": asked["patient"] or None,
            "priority": self.priority,
            "needed_by": self.needed_by or (needed_by.isoformat() if needed_by else None),
            "lines": [_state_line(line) for line in asked["lines"]] or None,
            "massive_transfusion_packs": self.packs,
            "note": self.note,
            "emergency_release": self._to_release(),
        }
        amended = drop_missing(body)
        return {**amended, "emergency_release": None} if self.withdraw_release else amended

    def _as_asked(self) -> Asked:
        """Return what is written as in a new request; its other options are left out after."""
        return Asked(
            hospital=None,
            needs=self.needs,
            packs=0,
            group=self.group,
            basis=self.basis,
            sex=self.sex,
            age=self.age,
            age_estimated=self.age_estimated,
            antibodies=self.antibodies,
            attributes=self.attributes,
            priority="",
            within_h=0,
            note="",
        )

    def _to_release(self) -> dict[str, Any] | None:
        told = (self.clinician, self.release_reason, *self.passes)
        if not any(told):
            return None
        if self.withdraw_release or not (self.clinician and self.release_reason):
            raise typer.BadParameter(
                "紧急放行要写 --clinician 和 --release-reason，不与收回同用 · "
                "a release needs both --clinician and --release-reason, "
                "and does not go with its withdrawal",
                param_hint="--clinician",
            )
        told_of = {"clinician": self.clinician, "reason": self.release_reason}
        return {**told_of, "passes": list(self.passes)} if self.passes else told_of


def _state_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line without attributes that were not given: those of before stay."""
    return {name: value for name, value in line.items() if name != "attributes" or value}
