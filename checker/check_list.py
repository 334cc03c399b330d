"""Every check of the checker, by what it looks at, each with its name and title. Pure."""

from __future__ import annotations

from checker.checks import (
    arrivals,
    asked_back,
    audit,
    deferrals,
    donors,
    event_order,
    expiry,
    hand_work,
    outbox,
    patients,
    promises,
    requests,
    unit_moves,
    unit_states,
    waited_during_run,
    waiting_at_end,
)
from checker.evidence import World
from checker.report import CheckResult
from checker.request_versions import read_histories


def list_results(world: World) -> tuple[CheckResult, ...]:
    """Apply every check to what was read."""
    return (
        *_check_requests(world),
        *_check_blood(world),
        *_check_hand_work(world),
        *_check_life(world),
        *_check_donors(world),
        *_check_log(world),
        *_check_audit(world),
    )


def _check_requests(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="requests_lost",
            title="丢失的请求 · requests lost",
            unit="requests",
            findings=arrivals.find_lost_requests(world),
        ),
        CheckResult.of(
            name="events_lost",
            title="丢失的其他消息 · other messages lost",
            unit="events",
            findings=arrivals.find_lost_events(world),
        ),
        CheckResult.of(
            name="requests_without_state",
            title="状态不明的请求 · requests without a state",
            unit="requests",
            findings=requests.find_without_state(world),
        ),
        CheckResult.of(
            name="decisions_missing",
            title="未上 Kafka 的决定 · decisions that never appeared",
            unit="decisions",
            findings=requests.find_missing_decisions(world),
        ),
        CheckResult.of(
            name="decisions_unknown",
            title="数据库不认的决定 · decisions PostgreSQL does not stand behind",
            unit="decisions",
            findings=requests.find_unknown_decisions(world),
        ),
    )


def _check_blood(world: World) -> tuple[CheckResult, ...]:
    histories = read_histories(world)
    return (
        CheckResult.of(
            name="promised_twice",
            title="一袋两许 · units promised twice",
            unit="overlaps",
            findings=promises.find_promised_twice(world),
        ),
        CheckResult.of(
            name="promise_mismatch",
            title="承诺与血袋不符 · promises that are not the unit's",
            unit="promises",
            findings=promises.find_mismatches(world),
        ),
        CheckResult.of(
            name="over_promised",
            title="超量承诺 · lines with more than asked",
            unit="lines",
            findings=promises.find_over_promised(world, histories),
        ),
        CheckResult.of(
            name="under_promised",
            title="承诺不足 · whole by name, less than asked",
            unit="lines",
            findings=promises.find_under_promised(world, histories),
        ),
        CheckResult.of(
            name="incompatible",
            title="不相容的血 · incompatible units",
            unit="promises",
            findings=patients.find_incompatible(world, histories),
        ),
        CheckResult.of(
            name="waiting_beside_blood",
            title="有合适的血却在等 · waiting beside blood that fits",
            unit="requests",
            findings=waiting_at_end.find_waiting_beside_blood(world, histories),
        ),
        CheckResult.of(
            name="waited_beside_blood",
            title="曾有合适的血却在等 · waited beside blood that fits",
            unit="requests",
            findings=waited_during_run.find_waited_beside_blood(world, histories),
        ),
        CheckResult.of(
            name="wrongly_deferred",
            title="不该暂缓而暂缓 · kept waiting for a forecast against the rules",
            unit="decisions",
            findings=deferrals.find_wrongly_deferred(world, histories),
        ),
        CheckResult.of(
            name="left_deferred",
            title="暂缓过时未再决定 · put off until a time that passed",
            unit="requests",
            findings=deferrals.find_left_deferred(world),
        ),
        CheckResult.of(
            name="danger_beside_promised",
            title="危及生命却等着未拣的血 · in danger beside what is promised and not picked",
            unit="requests",
            findings=waiting_at_end.find_danger_beside_promised(world, histories),
        ),
        CheckResult.of(
            name="danger_asked_back",
            title="危及生命却等人确认 · in danger and waiting for a word",
            unit="requests",
            findings=asked_back.find_danger_asked_back(world, histories),
        ),
        CheckResult.of(
            name="given_unasked",
            title="未经确认而多留 · more held than a part, and nobody confirmed",
            unit="requests",
            findings=asked_back.find_given_unasked(world),
        ),
        CheckResult.of(
            name="expired_before_arrival",
            title="到达或需用前失效 · units expired before arrival or need",
            unit="units",
            findings=expiry.find_expired(world),
        ),
        CheckResult.of(
            name="quarantined_promised",
            title="未放行而许出 · quarantined units promised",
            unit="promises",
            findings=expiry.find_quarantined(world),
        ),
    )


def _check_hand_work(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="given_by_nobody",
            title="无人署名的指定 · given by hand, by nobody",
            unit="promises",
            findings=hand_work.find_given_by_nobody(world),
        ),
        CheckResult.of(
            name="hand_work_undone",
            title="手工决定未执行 · hand work taken in and not done",
            unit="bags",
            findings=hand_work.find_hand_work_undone(world),
        ),
        CheckResult.of(
            name="held_by_nobody",
            title="无人署名的暂留或终止 · held back or stood down, by nobody",
            unit="findings",
            findings=hand_work.find_held_by_nobody(world),
        ),
        CheckResult.of(
            name="promised_while_held",
            title="暂留期间许出 · promised while a person held it back",
            unit="promises",
            findings=hand_work.find_promised_while_held(world),
        ),
        CheckResult.of(
            name="called_while_stopped",
            title="终止后又召集 · called after a person had stood it down",
            unit="calls",
            findings=hand_work.find_called_while_stopped(world),
        ),
    )


def _check_life(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="moved_against_life",
            title="状态变动不合规 · steps that no unit may make",
            unit="units",
            findings=unit_moves.find_moved_against_life(world),
        ),
        CheckResult.of(
            name="issued_unreleased",
            title="未放行而发出 · issued without a release",
            unit="units",
            findings=unit_moves.find_issued_unreleased(world),
        ),
        CheckResult.of(
            name="released_against_results",
            title="检验不合格而放行 · released against the results",
            unit="units",
            findings=unit_moves.find_released_against_results(world),
        ),
        CheckResult.of(
            name="used_after_recall",
            title="召回后仍使用 · used after a recall",
            unit="units",
            findings=unit_moves.find_used_after_recall(world),
        ),
        CheckResult.of(
            name="missed_by_recall",
            title="召回遗漏 · missed by a recall",
            unit="units",
            findings=unit_moves.find_missed_by_recall(world),
        ),
        CheckResult.of(
            name="bound_otherwise",
            title="状态与承诺矛盾 · units whose promise says otherwise",
            unit="units",
            findings=unit_states.find_bound_otherwise(world),
        ),
        CheckResult.of(
            name="used_expired",
            title="失效后仍使用 · used after they expired",
            unit="scans",
            findings=unit_states.find_used_expired(world),
        ),
        CheckResult.of(
            name="restocked_warm",
            title="失控后再入库 · restocked though too warm",
            unit="units",
            findings=unit_states.find_restocked_warm(world),
        ),
        CheckResult.of(
            name="restocked_from_hospital",
            title="医院签收后再入库 · restocked though a hospital had received it",
            unit="units",
            findings=unit_states.find_restocked_from_hospital(world),
        ),
        CheckResult.of(
            name="made_of_nothing",
            title="来历不明的成分 · components of no split bag",
            unit="units",
            findings=unit_states.find_made_of_nothing(world),
        ),
    )


def _check_donors(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="ineligible_calls",
            title="呼叫了不合格的献血者 · donors called while ineligible",
            unit="calls",
            findings=donors.find_ineligible_calls(world),
        ),
        CheckResult.of(
            name="donors_called_twice",
            title="同时两次呼叫 · donors on two live calls",
            unit="overlaps",
            findings=donors.find_called_twice(world),
        ),
        CheckResult.of(
            name="contacts_called_twice",
            title="同一人或联系方式同一事件呼叫两次 · one person called twice for one cause",
            unit="calls",
            findings=donors.find_contacts_called_twice(world),
        ),
        CheckResult.of(
            name="rare_donors_called",
            title="RhD 阳性即可却呼叫 RhD 阴性献血者 · RhD- donors called for what RhD+ serves",
            unit="calls",
            findings=donors.find_rare_called(world),
        ),
    )


def _check_log(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="out_of_order",
            title="同键乱序 · events out of order",
            unit="events",
            findings=event_order.find_out_of_order(world),
        ),
        CheckResult.of(
            name="sequence_gaps",
            title="序号缺漏 · gaps in sequences",
            unit="numbers",
            findings=event_order.find_gaps(world),
        ),
        CheckResult.of(
            name="ids_reused",
            title="同一编号两种内容 · ids with two contents",
            unit="events",
            findings=arrivals.find_reused_ids(world),
        ),
        CheckResult.of(
            name="outbox_left",
            title="发件箱遗留 · outbox left behind",
            unit="rows",
            findings=outbox.find_left(world),
        ),
        CheckResult.of(
            name="outbox_unpublished",
            title="标记已发而不在 Kafka · marked published, not on Kafka",
            unit="rows",
            findings=outbox.find_unpublished(world),
        ),
        CheckResult.of(
            name="kafka_duplicates",
            title="Kafka 上的重复 · repeats on Kafka",
            unit="records",
            findings=event_order.find_duplicates(world),
            told=True,
        ),
    )


def _check_audit(world: World) -> tuple[CheckResult, ...]:
    return (
        CheckResult.of(
            name="audit_broken",
            title="审计链破损 · breaches in the audit",
            unit="rows",
            findings=audit.find_broken(world),
        ),
        CheckResult.of(
            name="audit_rewritten",
            title="与已公布的链头不符 · sealed heads that do not stand",
            unit="heads",
            findings=audit.find_rewritten(world),
        ),
    )
