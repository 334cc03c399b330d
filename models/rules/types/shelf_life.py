"""Shelf-life rules: how long a component keeps, by how it was prepared, as cited data.

Pure. The rules stand in `rules/data/components.toml`, next to the component they belong to.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from models.rules.citations import CitedRule

Hours = Annotated[int, Field(ge=1)]

_UNIT = "_h"


class ShelfLifeRule(CitedRule):
    """The shelf lives of one component.

    Attributes:
        hours: Preparation (anticoagulant, additive or bag) to hours from the start of its life.
        unstated_h: Hours where a unit does not say how it was prepared.
        use_within_h: Hours, however the unit was prepared and whatever its label says; a station
            sets it to use a component up sooner.
    """

    use_within_h: Hours
    unstated_h: Hours
    hours: dict[str, Hours] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Gather the hours: in the file each preparation is a value of its own, with its terms."""
        if not isinstance(raw, dict):
            return raw
        own = {name for name in raw if name not in cls.model_fields and name.endswith(_UNIT)}
        if not own:
            return raw
        hours = {name.removesuffix(_UNIT): raw[name] for name in sorted(own)}
        return {**{name: raw[name] for name in raw if name not in own}, "hours": hours}

    def keeps_h(self, preparation: str | None) -> int:
        """Return how many hours the component keeps after a preparation, or None if not stated.

        A preparation that the rule does not know keeps for the shortest that it knows.
        """
        if preparation is None:
            stated = self.unstated_h
        else:
            stated = self.hours.get(preparation, min(self.hours.values()))
        return min(stated, self.use_within_h)

    @property
    def shortest_h(self) -> int:
        """Return the hours after which only a stated preparation, or the label, says it is good."""
        # What is suspended in saline was washed, and says so by its name.
        usual = [hours for name, hours in self.hours.items() if name != "saline"]
        return min([self.use_within_h, *usual])


class IrradiationRule(CitedRule):
    """How long the named components keep once they are irradiated, whatever their label says.

    Attributes:
        within_h: Hours from collection within which they are irradiated.
        keeps_h: Hours from irradiation.
        late_keeps_h: The same where they were irradiated later than that.
    """

    components: tuple[str, ...]
    within_h: Hours
    keeps_h: Hours
    late_keeps_h: Hours


class WashingRule(CitedRule):
    """How long any component keeps once it is washed, in hours."""

    keeps_h: Hours


class ThawingRule(CitedRule):
    """How long frozen components keep once they are thawed, in hours."""

    fresh_frozen_plasma_h: Hours
    frozen_plasma_h: Hours
    cryoprecipitate_h: Hours

    def keeps_h(self, component: str) -> int | None:
        """Return the hours of a component; None if it is not used merely thawed."""
        found: int | None = getattr(self, f"{component}_h", None)
        return found


class LabelRule(CitedRule):
    """A label may say the end of a day; `grace_h` hours past the shelf life are accepted.

    This holds only where the shelf life is counted in days: a component that keeps for hours has
    the hour on its label.
    """

    grace_h: int = Field(ge=0)
    from_shelf_life_h: int = Field(gt=24)

    def add_grace(self, shelf_life_h: int) -> int:
        """Return the hours from collection to the latest expiry that a label may state."""
        return shelf_life_h + (self.grace_h if shelf_life_h >= self.from_shelf_life_h else 0)
