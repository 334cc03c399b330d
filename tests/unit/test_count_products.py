"""A count's products and volumes: known as a whole, or refused with a reason."""

from __future__ import annotations

import pytest

from gateway.files.columns import WORDS
from gateway.files.products import find_product, find_refusal
from gateway.files.sheets import open_csv
from gateway.files.stock_imports import ReleaseTerms, parse_units, parse_units_json
from models.doses import content_of
from models.texts import list_texts
from models.texts.instants import BEIJING
from tests.support.count_sheets import (
    HEAD,
    JSON_ROW,
    RELEASING,
    SHORT_LIVED,
    bag,
    codes,
    parse,
    told,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("自体悬浮红细胞", "product_autologous"),
        ("自身输血红细胞", "product_autologous"),
        ("自体全血", "product_autologous"),
        ("悬浮红细胞(自体)", "product_autologous"),
        ("HIV阳性悬浮红细胞", "product_unsafe"),
        ("不合格血浆", "product_unsafe"),
        ("红细胞保存液", "product_reagent"),
        ("血小板保存液", "product_reagent"),
        ("抗A抗B血型定型试剂", "product_reagent"),
        ("脐带血红细胞", "product_cord_blood"),
        ("粒细胞悬液", "product_not_kept"),
        ("解冻红细胞", "product_not_kept"),
        ("RhD阴性悬浮红细胞", "product_names_group"),
        ("血浆", "product_unknown"),
        ("未去白细胞悬浮红细胞", "product_unknown"),
        ("悬浮红细胞?", "product_unknown"),
        ("悬浮红细胞200ml", "product_unknown"),
        ("单采悬浮红细胞", "product_unknown"),
        ("人血白蛋白", "product_unknown"),
        ("platelet additive solution", "product_reagent"),
        ("autologous red cells", "product_autologous"),
        ("plasma", "product_unknown"),
    ],
)
def test_f36_a_name_that_is_not_known_whole_is_refused_with_its_reason(
    name: str, code: str
) -> None:
    parsed = parse(bag(product=name))
    assert codes(parsed) == [(2, "component", code)]
    (place, _) = told(parsed)[0]
    assert place == f"第 2 行 品种“{name}”"
    row = {**JSON_ROW, "component": name}
    by_json = parse_units_json([row], station_id="nagqu", releasing=RELEASING)
    assert codes(by_json) == [(1, "component", code)]


@pytest.mark.parametrize("name", sorted(WORDS.components))
def test_f36_the_known_names_are_read_and_their_treatments(name: str) -> None:
    long = {"frozen_red_cells", "fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"}
    component = WORDS.components[name]
    days = ("2025-01-02", "2025-02-01") if component in long else SHORT_LIVED
    if component in {
        "washed_red_cells", "deglycerolised_red_cells",
        "pooled_platelets", "apheresis_granulocytes",
    }:  # fmt: skip
        days = ("2025-01-06 09:00", "2025-01-07 08:00")
    early = ReleaseTerms(attestation=None, now=RELEASING.now)
    head, row = HEAD, bag(product=f"辐照{name}", days=days, status="待检")
    if component == "deglycerolised_red_cells":
        head, row = f"{head},去甘油时间", f"{row},2025-01-06 09:00"
    text = f"{head}\n{row}"
    parsed = parse_units(open_csv(text), station_id="nagqu", zone=BEIJING, releasing=early)
    assert parsed.errors == ()
    (counted,) = parsed.values
    assert counted.unit.component == component
    assert counted.unit.traits.irradiated


def test_f36_refused_reasons_have_texts_and_never_a_known_name() -> None:
    for refused in WORDS.refused_products:
        assert refused.code in list_texts()
        words = [word for reason in refused.against for word in WORDS.use.against[reason]]
        assert words or refused.words
        for word in (*refused.words, *words):
            assert find_product(word) is None
        for word in words:
            assert find_refusal(f"{word}悬浮红细胞") is not None


def test_f36_json_reads_names_as_a_sheet_does() -> None:
    row = {**JSON_ROW, "component": "去白细胞悬浮红细胞", "group": "AB型RhD阴性", "volume_ml": "2U"}
    parsed = parse_units_json([row], station_id="nagqu", releasing=RELEASING)
    assert parsed.errors == ()
    (counted,) = parsed.values
    assert counted.unit.traits.leukoreduced
    assert (counted.unit.group.value, counted.unit.volume_ml) == ("AB-", 400)


@pytest.mark.parametrize(
    "written", ["1治疗量", "1个治疗量", "1.0 治疗量", "１治疗量", "1治疗量/袋"]
)
@pytest.mark.parametrize("name", ["单采血小板", "去白细胞单采血小板", "机采血小板"])
def test_f09_one_dose_of_apheresis_platelets_is_read(written: str, name: str) -> None:
    good = bag(2)
    parsed = parse(bag(product=name, volume=written, days=SHORT_LIVED), good)
    assert parsed.errors == ()
    assert parsed.values[0].unit.volume_ml == 250


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("单采血小板", "0.5治疗量", "dose_not_whole"),
        ("单采血小板", "2治疗量", "dose_not_whole"),
        ("单采血小板", "1U", "dose_of_apheresis"),
        ("单采血小板", "10U", "dose_of_apheresis"),
        ("单采血小板", "1袋", "volume_unreadable"),
        ("单采血小板", "1人份", "volume_unreadable"),
        ("单采血小板", "治疗量", "volume_unreadable"),
        ("血小板", "1治疗量", "dose_not_of_product"),
        ("浓缩血小板", "1治疗量", "dose_not_of_product"),
        ("血小板", "1U", "unit_of_platelets"),
        ("悬浮红细胞", "1治疗量", "dose_not_of_product"),
        ("悬浮红细胞", "1U(150ml)", "volume_unreadable"),
        ("悬浮红细胞", "2", "volume_without_ml"),
        ("悬浮红细胞", "约200ml", "volume_unreadable"),
    ],
)
def test_f09_a_volume_that_is_not_certain_is_refused(name: str, written: str, code: str) -> None:
    days = SHORT_LIVED if "血小板" in name else ("2025-01-02", "2025-02-05")
    parsed = parse(bag(product=name, volume=written, days=days))
    assert codes(parsed) == [(2, "volume_ml", code)]
    assert told(parsed)[0][0] == f"第 2 行 规格“{written}”"


@pytest.mark.parametrize(
    ("written", "ml"),
    [
        ("200ml", 200), ("200mL", 200), ("200ML", 200), ("200 毫升", 200), ("200", 200),
        ("1U", 200), ("1.5U", 300), ("1.5u", 300), ("2单位", 400), ("2个单位", 400), ("1U/袋", 200),
    ],
)  # fmt: skip
def test_f09_usual_volumes_are_read(written: str, ml: int) -> None:
    (counted,) = parse(bag(volume=written)).values
    assert counted.unit.volume_ml == ml


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("单采血小板", "platelets"),
        ("浓缩血小板", "platelet_concentrate"),
        ("混合浓缩血小板", "pooled_platelets"),
        ("单采粒细胞", "apheresis_granulocytes"),
        ("冰冻解冻去甘油红细胞", "deglycerolised_red_cells"),
        ("病毒灭活冰冻血浆", "frozen_plasma"),
        ("病毒灭活新鲜冰冻血浆", "fresh_frozen_plasma"),
    ],
)
def test_c09_the_products_of_the_standard_are_told_apart(name: str, component: str) -> None:
    found = find_product(name)
    assert found is not None
    assert found.component == component
    assert ("virus_inactivated" in found.treatments) == name.startswith("病毒灭活")


def _lives(name: str) -> tuple[str, str]:
    if name.startswith("混合"):
        return "2025-01-06 09:00", "2025-01-07 08:00"
    return SHORT_LIVED if "血小板" in name else ("2025-01-02", "2025-02-05")


@pytest.mark.parametrize(
    ("name", "written", "ml", "hundredths"),
    [
        ("悬浮红细胞", "1.5U", 300, 150),
        ("冰冻血浆", "1.5U", 150, 150),
        ("新鲜冰冻血浆", "2U", 200, 200),
        ("浓缩血小板", "1U", 200, 100),
        ("混合浓缩血小板", "10U", 250, 1000),
        ("冷沉淀", "1U", 25, 100),
        ("冷沉淀凝血因子", "5U", 125, 500),
    ],
)
def test_f07_a_unit_that_is_imported_is_a_unit_on_the_shelf(
    name: str, written: str, ml: int, hundredths: int
) -> None:
    """1 U of cryoprecipitate was kept as 200 ml, as if it were red cells."""
    days = _lives(name)
    (counted,) = parse(bag(product=name, volume=written, days=days)).values
    assert counted.unit.volume_ml == ml
    assert content_of(counted.unit.component, ml) == hundredths
