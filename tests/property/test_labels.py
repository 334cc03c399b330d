"""Labels over all forms: what is written is read back; whatever is scanned, nothing is made up."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.labels.bags import assemble
from gateway.labels.barcode_values import (
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    OtherStructure,
    Scanned,
    SpecialTesting,
)
from gateway.labels.isbt128 import IsbtReader
from gateway.labels.structures import OTHERS, PRODUCT, SINGLE, SPECIAL_TESTING
from models.errors import ContractError
from models.groups import BloodGroup
from tests.support.label_writing import (
    make_donation,
    make_group,
    make_moment,
    render,
    render_compound,
)
from tests.support.labels import SHANGHAI, load_example

READER = IsbtReader(zone=SHANGHAI)
BOOK = load_example()

dins = st.from_regex(r"[A-NP-Z1-9][A-NP-Z0-9]{2}[0-9]{10}", fullmatch=True).filter(str.isascii)
START = datetime(2000, 1, 2, tzinfo=UTC)
moments = st.integers(0, 99 * 365 * 86400).map(lambda s: START + timedelta(seconds=s))
opaque = st.sampled_from([*SPECIAL_TESTING, *OTHERS]).flatmap(
    lambda structure: (
        st.from_regex(structure.form, fullmatch=True)
        .filter(str.isascii)
        .map(
            lambda text: (SpecialTesting if structure in SPECIAL_TESTING else OtherStructure)(
                structure.number, text
            )
        )
    )
)
scanned: st.SearchStrategy[Scanned] = st.one_of(
    dins.map(make_donation),
    st.sampled_from(BloodGroup).map(make_group),
    st.builds(
        lambda of, at, with_time: make_moment(of, at, SHANGHAI, with_time=with_time),
        st.sampled_from(Moment),
        moments,
        st.booleans(),
    ),
    opaque,
)


@given(scanned)
def test_what_is_written_is_read_back(value: Scanned) -> None:
    assert READER.read(render(value)) == (value,)


@given(st.lists(scanned, min_size=1, max_size=9))
def test_so_is_a_compound_message(values: list[Scanned]) -> None:
    text = render_compound(values)
    assert READER.read(text) == tuple(values)
    assert render_compound(READER.read(text)) == text


@given(moments, st.sampled_from(Moment))
def test_a_moment_keeps_its_minute_and_a_day_ends_at_its_last(at: datetime, of: Moment) -> None:
    exact = make_moment(of, at, SHANGHAI)
    assert exact.at == at.replace(second=0, microsecond=0)
    day = make_moment(of, at, SHANGHAI, with_time=False)
    assert timedelta() <= day.at - exact.at < timedelta(days=1)
    local = day.at.astimezone(SHANGHAI)
    assert (local.hour, local.minute) == (23, 59)


@given(
    st.sampled_from(SINGLE).flatmap(
        lambda structure: st.from_regex(structure.pattern, fullmatch=True)
    )
)
def test_whatever_has_the_form_is_read_as_it_is_or_refused(text: str) -> None:
    try:
        (value,) = READER.read(text)
    except ContractError as error:
        refused = error
    else:
        assert render(value) == text
        return
    assert refused.params["read"] == text[:80]


@given(st.text(max_size=60) | st.from_regex(r"[=&\]][%<>+(A-Z0-9]{0,40}", fullmatch=True))
def test_any_text_is_read_or_refused_and_never_breaks_the_reader(text: str) -> None:
    for reader in (READER, BOOK.reader):
        reader.guess_parts(text)
        with contextlib.suppress(ContractError):
            assert reader.read(text)


lines = st.one_of(
    dins.map(make_donation).map(render),
    st.from_regex(PRODUCT.pattern, fullmatch=True).filter(str.isascii),
    st.sampled_from(["=<EX001V00", "=<EX003V00", "P0011"]),
    st.sampled_from(BloodGroup).map(make_group).map(render),
    st.sampled_from(["&>0250362359", "=>025036", "X12502052359", "6543212500001G"]),
    st.sampled_from(["", "junk", "=%9700", "=G12341765432171", "&(N0008"]),
)


@given(st.lists(lines, max_size=30))
def test_a_bag_is_made_of_its_own_lines_alone(texts: list[str]) -> None:
    """Every line is in one bag at most, bags keep the order, and a label says what was read."""
    session = assemble(texts, BOOK)
    assert [line.text for line in session.lines] == texts
    numbers = [number for bag in session.bags for number in bag.lines]
    assert numbers == sorted(set(numbers))
    for at, bag in enumerate(session.bags):
        assert (bag.label is None) != (bag.fault is None)
        own = [line for line in session.lines if line.bag == at]
        assert tuple(line.number for line in own) == bag.lines
        if bag.label is None:
            continue
        read = [value for line in own for value in line.values]
        donations = {value.number for value in read if isinstance(value, DonationNumber)}
        assert len(donations) == 1, "a bag of two donations"
        assert bag.label.unit_id.startswith(donations.pop() + "-")
        groups = {value.group for value in read if isinstance(value, GroupCode)}
        assert groups == {bag.label.group}
        told = {value.at for value in read if isinstance(value, LabelMoment)}
        assert told == {bag.label.expires_at}
