"""The configuration of one embedded Kafka node: its properties, its logging, its JVM flags.

Pure text; no IO. Paths are relative to the node's own folder, so that a state folder whose path
holds a comma, a space or Chinese characters needs no escaping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# These start fastest, at 320 MB of memory a broker. A long-lived production broker should use
# neither the serial collector nor the first compiler tier alone.
JVM_FLAGS = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)

LOG4J2 = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%throwable
rootLogger.level = info
logger.values.name = org.apache.kafka.common.config
logger.values.level = warn
rootLogger.appenderRef.out.ref = out
"""


def controllers(ports: Mapping[str, int], *, brokers: int) -> list[str]:
    """Return `host:port` of every controller, in the order of the nodes."""
    return [f"127.0.0.1:{ports[f'controller-{node}']}" for node in range(1, brokers + 1)]


def bootstrap(ports: Mapping[str, int], *, brokers: int) -> str:
    return ",".join(f"127.0.0.1:{ports[f'kafka-{node}']}" for node in range(1, brokers + 1))


def initial_controllers(
    ports: Mapping[str, int], *, brokers: int, directory_ids: Sequence[str]
) -> str:
    """Return the voters that `StorageTool format --initial-controllers` writes into every node."""
    addresses = controllers(ports, brokers=brokers)
    return ",".join(
        f"{node}@{address}:{directory}"
        for node, (address, directory) in enumerate(
            zip(addresses, directory_ids, strict=True), start=1
        )
    )


def properties(ports: Mapping[str, int], *, node: int, brokers: int) -> str:
    """Return the `server.properties` of one combined node (broker and controller)."""
    copies = min(3, brokers)
    # With one copy away, every acknowledged record still has a second copy.
    in_sync = max(1, copies - 1)
    listeners = (
        f"PLAINTEXT://127.0.0.1:{ports[f'kafka-{node}']},"
        f"CONTROLLER://127.0.0.1:{ports[f'controller-{node}']}"
    )
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": node,
        "log.dirs": "data",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": ",".join(controllers(ports, brokers=brokers)),
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        # Few consumer groups run here; the default of 50 partitions would only slow the start.
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.num.partitions": 8,
        # A killed node can come back only after its old session has timed out (9 s by default). A
        # single node has no peer to hand over to, so a false timeout during a stall costs little.
        "broker.session.timeout.ms": 3000 if brokers == 1 else 6000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        # The default reserves 128 MB, a third of this heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
