"""A station's own rules: one file is checked against the rulebook and made into a new rulebook.

Pure: it takes a text and returns a rulebook or every mistake. A file with one mistake changes
nothing at all. No file loosens safety: the terms of each value say whether a file may set it, and
in which direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from models.base import Identifier, Line, Value
from models.errors import ContractError, DomainRefusal, XuelianError
from models.rules.donor_laws import COUNTRY, Law, apply_laws, choose_laws
from models.rules.override_values import check_value
from models.rules.rulebook import (
    PACKAGED,
    PARTS,
    RULE_FILES,
    Rule,
    Rulebook,
    build_rulebook,
    list_tables,
)
from models.station_toml import load_station_toml
from models.texts.validation import describe_broken

MAX_BYTES = 100_000
"""The most bytes of a station's file: several times what every value needs. A larger file was meant
for something else."""


class Change(NamedTuple):
    """One value that a station sets."""

    rule_id: str
    name: str
    before: object
    after: object


class _Heading(Value):
    """Who answers for the file."""

    station: Identifier
    version: Identifier
    approved_by: Annotated[Line, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of a check of a station's file.

    Attributes:
        rules: The rulebook to follow; the package's if there is any mistake.
        changes: What differs from the package, in the order of the rulebook.
        mistakes: Every mistake, in the order of the file.
    """

    rules: Rulebook
    changes: tuple[Change, ...] = ()
    mistakes: tuple[XuelianError, ...] = ()


class _ChosenLaw(Value):
    """The table `[law]`."""

    region: str


def check_overrides(
    content: bytes, *, packaged: Rulebook = PACKAGED, own_law: Law | None = None
) -> Checked:
    """Check a station's file against the rulebook.

    Args:
        content: The file, TOML in UTF-8.
        packaged: The rulebook that the file is checked against, with the laws of the region on it.
        own_law: A law file of the station's own.
    """
    try:
        document = _read(content)
        packaged = follow_laws(packaged, region=_find_region(document), own_law=own_law)
    except (DomainRefusal, ContractError) as mistake:
        return Checked(rules=packaged, mistakes=(mistake,))
    mistakes: list[XuelianError] = list(_list_heading_mistakes(document))
    changes: list[Change] = []
    for name, table in _list_rule_tables(document.get("rules", {}), packaged, mistakes):
        changes += _check_rule(packaged.get_rule(name), table, mistakes)
    # A value that was refused would only be reported a second time.
    if not mistakes:
        mistakes += _list_form_mistakes(changes, packaged)
    if mistakes:
        return Checked(rules=packaged, mistakes=tuple(mistakes))
    return Checked(rules=_apply(changes, packaged), changes=tuple(changes))


def follow_laws(
    packaged: Rulebook, *, region: str | None = None, own_law: Law | None = None
) -> Rulebook:
    """Return the rulebook under the laws of a region, by default that of a station's own law file.

    Raises:
        DomainRefusal: `law_region_unknown`.
    """
    chosen = region or (own_law.region if own_law else COUNTRY)
    return apply_laws(choose_laws(chosen, own=own_law), packaged=packaged)


def _find_region(document: Mapping[str, Any]) -> str | None:
    if "law" not in document:
        return None
    try:
        return _ChosenLaw.model_validate(document["law"]).region
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise DomainRefusal("rules_heading", key="law", cause=str(describe_broken(fault))) from None


def _read(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        raise DomainRefusal("rules_file_too_long", size=len(content), most=MAX_BYTES)
    return load_station_toml(content)


def _list_heading_mistakes(document: Mapping[str, Any]) -> Iterator[DomainRefusal]:
    known = {*_Heading.model_fields, "rules", "law"}
    for key in document:
        if key not in known:
            yield DomainRefusal("rules_key_unknown", key=key, known=", ".join(sorted(known)))
    try:
        _Heading.model_validate(
            {key: document[key] for key in document if key in _Heading.model_fields}
        )
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            yield DomainRefusal(
                "rules_heading", key=str(fault["loc"][0]), cause=str(describe_broken(fault))
            )


def _list_rule_tables(
    found: object, packaged: Rulebook, mistakes: list[XuelianError], at: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the table of each known rule; `[rules.a.b]` and `[rules."a.b"]` mean the same."""
    if not isinstance(found, dict):
        mistakes.append(DomainRefusal("rules_table_wanted", key=at or "rules"))
        return
    for key, value in found.items():
        name = f"{at}.{key}" if at else key
        if name in packaged.rules:
            if isinstance(value, dict):
                yield name, value
            else:
                mistakes.append(DomainRefusal("rules_table_wanted", key=name))
        elif any(rule_id.startswith(f"{name}.") for rule_id in packaged.rules):
            yield from _list_rule_tables(value, packaged, mistakes, name)
        else:
            mistakes.append(DomainRefusal("rule_unknown", rule=name, guess=packaged.guess(name)))


def _check_rule(
    rule: Rule, table: Mapping[str, Any], mistakes: list[XuelianError]
) -> Iterator[Change]:
    for name, given in table.items():
        try:
            change = _check_one(rule, name, given)
        except DomainRefusal as mistake:
            mistakes.append(mistake)
        else:
            if change.before != change.after:
                yield change


def _check_one(rule: Rule, name: str, given: object) -> Change:
    value = rule.find_value(name)
    if value is not None:
        return Change(rule.rule_id, name, value.value, check_value(rule, value, given))
    if name in PARTS:
        raise DomainRefusal("rule_part_fixed", rule=rule.rule_id, part=name)
    known = ", ".join(value.name for value in rule.values) or "–"
    raise DomainRefusal("rule_value_unknown", rule=rule.rule_id, value=name, known=known)


def _list_form_mistakes(changes: list[Change], packaged: Rulebook) -> Iterator[DomainRefusal]:
    """Yield mistakes that no single value shows: values that conflict, names without meaning."""
    documents = _write(changes, packaged, packaged.version)
    for file in {packaged.rules[change.rule_id].file for change in changes}:
        try:
            RULE_FILES[file].model_validate(documents[file])
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                rule = _find_rule(documents[file], fault["loc"])
                yield DomainRefusal("rule_not_sound", rule=rule, cause=str(describe_broken(fault)))


def _find_rule(document: Mapping[str, Any], path: tuple[int | str, ...]) -> str:
    """Return the rule that a place in a file belongs to, else the first rule of the file."""
    at: Any = document
    for step in path:
        if not isinstance(at, dict) or step not in at:
            break
        at = at[step]
        if isinstance(at, dict) and "rule" in at:
            return str(at["rule"])
    return str(next(list_tables(document))["rule"])


def _apply(changes: list[Change], packaged: Rulebook) -> Rulebook:
    if not changes:
        return packaged
    # The changes make the version: two stations with the same values follow the same rulebook.
    what = dumps(sorted(change._replace(before=None) for change in changes), ensure_ascii=False)
    version = f"{packaged.version}+{sha256(what.encode()).hexdigest()[:8]}"
    return build_rulebook(
        _write(changes, packaged, version),
        overridden=frozenset((change.rule_id, change.name) for change in changes),
    )


def _write(changes: list[Change], packaged: Rulebook, version: str) -> dict[str, dict[str, Any]]:
    """Return copies of the files with the changes and the version in them."""
    documents = {name: deepcopy(dict(file)) for name, file in packaged.documents.items()}
    for document in documents.values():
        document["version"] = version
        for table in list_tables(document):
            table.update(
                {change.name: change.after for change in changes if change.rule_id == table["rule"]}
            )
    return documents
