"""How a bag was made and how long it lives: counted, asked for and scanned over HTTP, by number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import (
    Clinic,
    Clinics,
    Told,
    bags,
    given,
    reasons,
    refusals,
    running_clinics,
)

pytestmark = pytest.mark.integration

FFP, PLATELETS = "fresh_frozen_plasma", "platelets"
HOUR = 1 / 24


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def refuse(clinic: Clinic, row: Told) -> Told:
    """Count a bag that is not taken; what is said of it."""
    answer = await clinic.send_count(row)
    assert (answer.status_code, answer.json()["code"]) == (400, "rows_invalid"), answer.text
    (error,) = answer.json()["errors"]
    return dict(error)


async def test_c02_an_additive_solution_of_42_days_is_taken(clinic: Clinic) -> None:
    for solution in ("as_1", "AS-3", "as_5"):
        await clinic.count(clinic.bag("A+", age=0, left=41, anticoagulant=solution))
    assert given(await clinic.ask(quantity=3, group="A+")) == ["A+"] * 3
    error = await refuse(clinic, clinic.bag("A+", age=0, left=41))
    assert "expires_at" in error["field"]


@pytest.mark.parametrize("solution", ["cpd", "acd_b"])
async def test_c03_a_bag_of_21_days_has_no_label_of_35(clinic: Clinic, solution: str) -> None:
    error = await refuse(clinic, clinic.bag("A+", age=0, left=35, anticoagulant=solution))
    assert "expires_at" in error["field"]
    await clinic.count(clinic.bag("A+", age=0, left=21, anticoagulant=solution))


async def test_c03_what_a_bag_does_not_say_is_told(clinic: Clinic) -> None:
    (unit_id,) = await clinic.lay("A+", age=30)
    told = await clinic.ask(group="A+")
    assert bags(told) == [unit_id]
    assert reasons(told)["life_rests_on_label"]["params"]["unit_ids"] == unit_id
    assert "没有写明保养液" in reasons(told)["life_rests_on_label"]["zh"]


@pytest.mark.parametrize("made", [{"bag": "ordinary"}, {"agitated": False}])
async def test_c04_platelets_in_an_ordinary_bag_or_lying_still(clinic: Clinic, made: Told) -> None:
    await refuse(clinic, clinic.bag("A+", PLATELETS, age=0, left=5.5, **made))
    await clinic.count(clinic.bag("A+", PLATELETS, age=0, left=1, **made))
    moved: Told = {"bag": "permeable", "agitated": True}
    await clinic.count(clinic.bag("A+", PLATELETS, age=0, left=5, **moved))


async def test_c05_washed_red_cells_live_for_24_h_from_washing(clinic: Clinic) -> None:
    washed: Told = {"age": 10, "washed_at": clinic.after(hours=-1)}
    row = clinic.bag("A+", "washed_red_cells", left=23 * HOUR, **washed)
    await clinic.count(row)
    assert bags(await clinic.ask("washed_red_cells", group="A+")) == [row["unit_id"]]
    await refuse(clinic, clinic.bag("A+", "washed_red_cells", left=2, **washed))


async def test_c66_a_row_of_a_file_that_was_washed_today_is_taken(clinic: Clinic) -> None:
    head = "血袋号,献血码,品种,血型,规格,采血时间,失效时间,放行,洗涤时间"
    row = f"C66-1,C66,洗涤红细胞,A+,200,{clinic.after(days=-10)},{clinic.after(hours=23)},是"
    answer = await clinic.station.post(
        clinic.stock,
        content=f"{head}\n{row},{clinic.after(hours=-1)}\n".encode(),
        headers={"Content-Type": "text/csv"},
        params={"released_by": "质管科", "released_at": clinic.after(minutes=-50)},
    )
    assert answer.status_code == 202, answer.text
    refused = await clinic.station.post(
        clinic.stock,
        content=f"{head}\n{row.replace('C66', 'C67')},\n".encode(),
        headers={"Content-Type": "text/csv"},
        params={"released_by": "质管科", "released_at": clinic.after(minutes=-50)},
    )
    assert refused.status_code == 400, refused.text


@pytest.mark.parametrize(
    ("age_d", "ago_h", "is_given"),
    [(20, 13 * 24, True), (20, 14 * 24, False), (20, 19, True), (20, 25, False)],
)
async def test_c06_irradiation_has_an_hour_and_a_life_of_its_own(
    clinic: Clinic, age_d: int, ago_h: int, is_given: bool
) -> None:
    await clinic.lay("A+", age=age_d, left=10, irradiated_at=clinic.after(hours=-ago_h))
    told = await clinic.ask(need_h=0.2, group="A+", attributes={"irradiated": True})
    assert given(told) == (["A+"] if is_given else [])


async def test_c07_plasma_that_was_thawed_30_h_ago_is_not_transfused(clinic: Clinic) -> None:
    await clinic.lay("A+", component=FFP, age=20, left=90)
    told = await clinic.ask(FFP, group="A+")
    await clinic.scan(told, "picked", "issued", "departed")
    await clinic.scan(told, "received", thawed_at=clinic.after())
    await clinic.pass_time(hours=30)
    (line,) = told["decision"]["lines"]
    answer = await clinic.scan_one(line["reserved"][0], "transfused")
    assert answer.status_code == 422
    assert answer.json()["code"] == "unit_expired"


async def test_c09_the_products_of_the_standard_are_told_apart(clinic: Clinic) -> None:
    products = {
        "混合浓缩血小板": "pooled_platelets",
        "浓缩血小板": "platelet_concentrate",
        "单采血小板": "platelets",
        "病毒灭活冰冻血浆": "frozen_plasma",
        "病毒灭活新鲜冰冻血浆": "fresh_frozen_plasma",
        "单采粒细胞": "apheresis_granulocytes",
        "冰冻解冻去甘油红细胞": "deglycerolised_red_cells",
    }
    head = "血袋号,献血码,品种,血型,规格,采血时间,失效时间,放行,去甘油时间"
    rows = []
    for at, product in enumerate(products):
        thawed = clinic.after(minutes=-30) if "去甘油" in product else ""
        rows.append(
            f"C09-{at},C09D{at},{product},A+,200,{clinic.after(hours=-1)},"
            f"{clinic.after(hours=4)},是,{thawed}"
        )
    answer = await clinic.station.post(
        clinic.stock,
        content="\n".join([head, *rows]).encode(),
        headers={"Content-Type": "text/csv"},
        params={"released_by": "质管科", "released_at": clinic.after(minutes=-10)},
    )
    assert answer.status_code == 202, answer.text
    found = {product["name"]: product["component"] for product in answer.json()["products"]}
    assert found == products


async def test_c10_c67_red_cells_are_at_most_24_h_on_the_road(clinic: Clinic) -> None:
    await clinic.lay("A+", left=20)
    await clinic.set_journey(eta_s=40 * 3600)
    told = await clinic.ask(need_h=60, group="A+")
    assert given(told) == []
    assert "transit_too_long" in refusals(told)


async def test_c63_a_bag_outlives_its_use(clinic: Clinic) -> None:
    """Half an hour on the road; one bag ends a second after it arrives."""
    lives = clinic.bag("A+", PLATELETS, age=1, left=4)
    await clinic.count(clinic.bag("A+", PLATELETS, age=4, left=1801 / 86400), lives)
    told = await clinic.ask(PLATELETS, 2, need_h=0.5, group="A+")
    assert bags(told) == [lives["unit_id"]]
    assert "expires_during_use" in refusals(told)


async def test_c64_platelets_for_tomorrow_live_tomorrow(clinic: Clinic) -> None:
    lives = clinic.bag("A+", PLATELETS, age=1, left=4)
    await clinic.count(clinic.bag("A+", PLATELETS, age=4, left=HOUR), lives)
    told = await clinic.ask(PLATELETS, 1, need_h=24, group="A+", priority="routine")
    assert bags(told) == [lives["unit_id"]]


async def test_c65_irradiated_when_it_was_fresh_is_too_old_for_a_child(clinic: Clinic) -> None:
    await clinic.lay("O+", age=34, left=1, irradiated_at=clinic.after(days=-33))
    child: Told = {"group": "O+", "age_years": 0, "attributes": {"irradiated": True}}
    told = await clinic.ask(priority="life_threatening", **child)
    assert given(told) == []


async def test_c68_the_temperature_is_claimed_of_a_proven_box_alone(clinic: Clinic) -> None:
    await clinic.lay("A+", "A+")
    told = await clinic.ask(group="A+")
    assert "途中温度无人证明" in reasons(told)["temperature_not_proven"]["zh"]
    await clinic.set_journey(eta_s=1800, proven_box=True)
    assert "temperature_not_proven" not in reasons(await clinic.ask(group="A+"))
