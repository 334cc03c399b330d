"""RhD- patients and O RhD- bags, as a hospital asks over HTTP. Cases by their number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import Clinic, Clinics, Told, given, reasons, refusals, running_clinics

pytestmark = pytest.mark.integration

CONSENT = {"physician": "Dr Tashi", "signed_by": "mother"}


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def test_c16_c42_o_positive_for_the_unknown_or_a_sample(clinic: Clinic) -> None:
    await clinic.lay(*["O+"] * 4)
    patients: list[Told] = [{"sex": "female", "age_years": 43}, {}]
    for patient in patients:
        assert given(await clinic.ask(quantity=2, **patient)) == ["O+", "O+"]
    await clinic.lay("A+")
    waits = await clinic.ask(sex="female", age_years=43)
    assert given(waits) == []
    sample = refusals(waits)["typing_would_open"]
    assert sample["params"] == {"groups": "A+", "units": 1}
    assert "送检定型" in sample["zh"]


async def test_c18_an_rhd_negative_man_is_told_to_sign_before_use(clinic: Clinic) -> None:
    await clinic.lay("O+")
    told = await clinic.ask(sex="male", age_years=70, group="O-")
    assert given(told) == ["O+"]
    assert "输注前请取得签字同意" in reasons(told)["consent_before_use"]["zh"]


async def test_c43_with_the_signed_consent_urgent_is_enough(clinic: Clinic) -> None:
    await clinic.lay("A+", "A+")
    man: Told = {"sex": "male", "age_years": 40, "group": "A-", "rhd_consent": CONSENT}
    told = await clinic.ask(quantity=2, **man)
    assert given(told) == ["A+", "A+"]
    assert told["status"] == "reserved"
    assert "consent_before_use" not in reasons(told)


@pytest.mark.parametrize("patient", [{"age_years": 5}, {"age_years": 25, "rhd_consent": CONSENT}])
async def test_c19_c41_rhd_positive_platelets_save_a_girl_or_woman(
    clinic: Clinic, patient: Told
) -> None:
    await clinic.lay("O+", component="platelets")
    girl: Told = {"sex": "female", "group": "O-", **patient}
    told = await clinic.ask("platelets", priority="life_threatening", **girl)
    assert given(told) == ["O+"]
    assert "如能取得抗 D 免疫球蛋白" in reasons(told)["anti_d_advised"]["zh"]


@pytest.mark.parametrize(
    "first", [{"sex": "male", "age_years": 12}, {"chronically_transfused": True}]
)
async def test_c20_scarce_rhd_negative_goes_first_to_whom_it_is_preferred_for(
    clinic: Clinic, first: Told
) -> None:
    """Both wait; the bag that comes goes to the later one, for whom it is preferred."""
    man = await clinic.ask(need_h=3, sex="male", age_years=70, group="O-")
    preferred = await clinic.ask(need_h=4, group="O-", **first)
    await clinic.lay("O-")
    await clinic.pass_time(seconds=1)
    assert given(await clinic.see(man)) == []
    assert given(await clinic.see(preferred)) == ["O-"]


async def test_c60_a_frozen_bag_is_named_while_rhd_positive_goes(clinic: Clinic) -> None:
    frozen = clinic.bag("A-", "frozen_red_cells", age=400, left=900)
    await clinic.count(frozen, clinic.bag("A+"))
    woman: Told = {"group": "A-", "sex": "female", "age_years": 25, "rhd_consent": CONSENT}
    told = await clinic.ask(priority="life_threatening", **woman)
    assert given(told) == ["A+"]
    named = reasons(told)["deglycerolising_would_match"]
    assert (named["params"]["groups"], named["params"]["units"]) == ("A-", 1)
    assert "去甘油" in named["zh"]


async def test_c73_the_last_o_negative_is_not_for_a_routine_o_positive_man(clinic: Clinic) -> None:
    await clinic.lay(*["O-"] * 4)
    man: Told = {"sex": "male", "age_years": 60, "group": "O+"}
    told = await clinic.ask(quantity=4, need_h=48, priority="routine", **man)
    assert (told["status"], given(told)) == ("open", [])
    assert "留给 RhD 阴性患者" in refusals(told)["kept_for_rhd_negative"]["zh"]
    dying = await clinic.ask(quantity=4, priority="life_threatening", **man)
    assert given(dying) == ["O-"] * 4
