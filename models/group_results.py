"""Results of a patient's group, the history included: how many of them agree. Pure.

Two results count apart only if they cannot be of one sample: the laboratory says so (two samples),
or the later one was told when a sample of the earlier one would be too old for issue. What a
request repeats of itself is no new result.

Source: rules/data/issue.toml (issue.electronic).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.groups import BloodGroup
from models.patient_records import GroupResult, PatientRecord
from models.patients import MOST_RESULTS, GroupBasis, Patient
from models.rules.types.issue import ELECTRONIC_RULE

_APART = timedelta(hours=ELECTRONIC_RULE.sample_max_age_h)
_SAMPLES = {GroupBasis.ONE_SAMPLE: 1, GroupBasis.TWO_SAMPLES: 2, GroupBasis.HISTORICAL: 1}


def learn_result(
    record: PatientRecord, patient: Patient, *, now: datetime, request_id: str | None = None
) -> PatientRecord:
    """Return a patient's record with a result of the group, if one was told that counts.

    Args:
        record: What is remembered.
        patient: What is told; a group of which nobody says how it was determined is no result.
        now: Aware UTC instant.
        request_id: The request that tells it; None if it is told to the record itself.
    """
    if patient.group is None or patient.group_basis is None:
        return record
    told = GroupResult(
        group=patient.group, basis=patient.group_basis, told_at=now, request_id=request_id
    )
    learnt = record.but(results=(*record.results, told))
    more = count_results(learnt, told.group) > count_results(record, told.group)
    return learnt if more else record


def count_results(record: PatientRecord, group: BloodGroup | None) -> int:
    """Count the results of a group that cannot be of one sample."""
    counted: list[tuple[GroupResult, int]] = []
    for result in record.results:
        if result.group is not group:
            continue
        samples = _SAMPLES[result.basis]
        same = [at for at, (first, _) in enumerate(counted) if _may_be_one(first, result)]
        if same:
            first, most = counted[same[-1]]
            counted[same[-1]] = first, max(most, samples)
        else:
            counted.append((result, samples))
    return min(sum(samples for _, samples in counted), MOST_RESULTS)


def _may_be_one(first: GroupResult, later: GroupResult) -> bool:
    """Return whether two results may be of one sample, or one of them quotes the other."""
    if later.basis is GroupBasis.HISTORICAL:
        return True
    if first.basis is GroupBasis.HISTORICAL:
        return False
    is_repeat = first.request_id is not None and first.request_id == later.request_id
    return is_repeat or later.told_at < first.told_at + _APART
