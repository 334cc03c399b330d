"""Publishing to a real broker: in order, bounded when it is away, whole again when it is back."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from aiokafka import TopicPartition

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from models.errors import ContractError, TransientError
from models.topics import MAX_MESSAGE_BYTES
from streams.kafka.producer import KafkaPublisher
from tests.support.kafka import create_topic, ids_of, make_envelope, read_all, unique

pytestmark = pytest.mark.integration


@pytest.fixture
async def topic(endpoints: Endpoints) -> str:
    name = unique("published")
    await create_topic(endpoints.kafka_bootstrap, name, partitions=6)
    return name


async def test_order_holds_per_key_and_keys_go_where_java_puts_them(
    endpoints: Endpoints, topic: str
) -> None:
    publisher = KafkaPublisher(bootstrap=endpoints.kafka_bootstrap)
    await publisher.start()
    keys = [
        "21",
        "foobar",
        "a-little-bit-long-string",
        "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
    ]
    for start in range(0, 200, 40):
        await publisher.publish(
            topic, [make_envelope(n, key=keys[n % 4]) for n in range(start, start + 40)]
        )
    await publisher.stop()
    records = await read_all(endpoints.kafka_bootstrap, topic)
    for place, key in enumerate(keys):
        mine = [record for record in records if record.key == key.encode()]
        assert ids_of(mine) == [f"event-{n}" for n in range(200) if n % 4 == place]
    # Hashes as printed by org.apache.kafka.common.utils.Utils.murmur2 for these keys.
    java = dict(zip(keys, (-973932308, -790332482, -985981536, -58897971), strict=True))
    found = {record.key.decode(): record.partition for record in records}
    assert found == {key: (value & 0x7FFFFFFF) % 6 for key, value in java.items()}
    assert {name for name, _ in records[0].headers} >= {"ce_specversion", "ce_id", "ce_type"}


async def test_what_is_too_large_is_refused_before_anything_is_sent(
    endpoints: Endpoints, topic: str
) -> None:
    publisher = KafkaPublisher(bootstrap=endpoints.kafka_bootstrap)
    small, large = make_envelope(1), make_envelope(2, data=b"x" * MAX_MESSAGE_BYTES)
    with pytest.raises(ContractError, match="record_too_large"):
        await publisher.publish(topic, [small, large])
    overhead = sum(len(name) + len(raw) for name, raw in large.to_headers()) + len("nagqu")
    await publisher.publish(topic, [make_envelope(3, data=b"x" * (MAX_MESSAGE_BYTES - overhead))])
    await publisher.stop()
    assert ids_of(await read_all(endpoints.kafka_bootstrap, topic)) == ["event-3"]


async def test_a_producer_out_of_sequence_is_replaced(endpoints: Endpoints, topic: str) -> None:
    publisher = KafkaPublisher(bootstrap=endpoints.kafka_bootstrap, timeout_s=5)
    await publisher.publish(topic, [make_envelope(1)])
    before = publisher._producer
    assert before is not None
    # Skip numbers, as records that were lost between producer and broker would.
    for partition in range(6):
        before._txn_manager.increment_sequence_number(TopicPartition(topic, partition), 5)
    with pytest.raises(TransientError, match="kafka_away"):
        await publisher.publish(topic, [make_envelope(2)])
    await publisher.publish(topic, [make_envelope(2), make_envelope(3)])
    assert publisher._producer is not before
    await publisher.stop()
    assert ids_of(await read_all(endpoints.kafka_bootstrap, topic)) == [
        "event-1",
        "event-2",
        "event-3",
    ]


async def test_kafka_that_was_never_up_fails_within_the_time_given() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: nobody answers here
        port = taken.getsockname()[1]
        publisher = KafkaPublisher(bootstrap=f"127.0.0.1:{port}", timeout_s=1)
        await publisher.start()
        began = time.perf_counter()
        with pytest.raises(TransientError, match="kafka_away"):
            await publisher.publish("blood.answers.v1", [make_envelope()])
        assert time.perf_counter() - began < 1.5
        await publisher.stop()
    with pytest.raises(TransientError, match="publisher_stopped"):
        await publisher.publish("blood.answers.v1", [make_envelope()])


async def test_an_outage_fails_in_bounded_time_and_heals_by_itself(
    services: EmbeddedServices, endpoints: Endpoints, topic: str
) -> None:
    publisher = KafkaPublisher(bootstrap=endpoints.kafka_bootstrap, timeout_s=1.5)
    await publisher.publish(topic, [make_envelope(1)])
    await asyncio.to_thread(services.stop_broker, hard=True)
    try:
        waits_s: list[float] = []
        for number in range(100, 104):
            began = time.perf_counter()
            # Several at once, as a gateway has them: all must be told, none may hang.
            outcomes = await asyncio.gather(
                *(publisher.publish(topic, [make_envelope(number)]) for _ in range(3)),
                return_exceptions=True,
            )
            waits_s.append(time.perf_counter() - began)
            assert [type(outcome) for outcome in outcomes] == [TransientError] * 3
        assert max(waits_s) < 4, waits_s
    finally:
        await asyncio.to_thread(services.start_broker)
    async with asyncio.timeout(15):
        while True:
            try:
                await publisher.publish(topic, [make_envelope(2)])
                break
            except TransientError:
                await asyncio.sleep(0.1)
    await publisher.publish(topic, [make_envelope(3)])
    await asyncio.sleep(2)  # longer than anything of the outage could still be retried
    await publisher.stop()
    assert ids_of(await read_all(endpoints.kafka_bootstrap, topic)) == [
        "event-1",
        "event-2",
        "event-3",
    ]
