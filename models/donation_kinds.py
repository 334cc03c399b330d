"""Kinds of donation: whole blood, or platelets by apheresis. Pure."""

from __future__ import annotations

from enum import StrEnum


class DonationKind(StrEnum):
    WHOLE_BLOOD = "whole_blood"
    APHERESIS_PLATELETS = "apheresis_platelets"
