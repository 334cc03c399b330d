"""How long a component keeps, by how it was prepared, as cited data.

Pure. The rules stand in `rules/data/components.toml`, next to the component they belong to.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from models.rules.citations import CitedRule

Hours = Annotated[int, Field(ge=1)]

_UNIT = "_h"


class ShelfLifeRule(CitedRule):
    """The shelf lives of one component.

    Attributes:
        hours: Preparation (anticoagulant, additive or bag) to hours from collection.
        use_within_h: Hours from collection, however the unit was prepared and whatever its label
            says; a station sets it to use a component up sooner.
    """

    use_within_h: Hours
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

    def keeps(self, preparation: str) -> timedelta:
        """Return how long the component keeps after this preparation.

        Raises:
            KeyError: The rule knows no such preparation.
        """
        return timedelta(hours=min(self.hours[preparation], self.use_within_h))


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
