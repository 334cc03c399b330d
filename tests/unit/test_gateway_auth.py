"""The cache of verified keys: fresh, stale while PostgreSQL is away, refused, bounded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from gateway import auth
from gateway.auth import Authenticator
from models.access import KeyScope
from models.errors import ContractError, TransientError
from streams.store.api_keys import ApiKey, hash_secret, is_secret, split_key

AT = datetime(2025, 1, 7, tzinfo=UTC)


@dataclass
class Keys:
    """A key source that can be away or slow."""

    kept: dict[str, ApiKey] = field(default_factory=dict)
    away: bool = False
    hangs: bool = False
    looks: int = 0

    async def find(self, key_id: str) -> ApiKey | None:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise TransientError("postgres_away")
        return self.kept.get(key_id)


@dataclass
class World:
    keys: Keys = field(default_factory=Keys)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.add("k1", "secret")
        self.auth = Authenticator(keys=self.keys, monotonic=lambda: self.now)

    def add(self, key_id: str, secret: str) -> None:
        self.keys.kept[key_id] = ApiKey(
            key_id=key_id,
            secret_hash=hash_secret(secret),
            scope=KeyScope.HOSPITAL,
            facility_id="h",
            label="",
            created_at=AT,
            revoked_at=None,
        )

    def revoke(self) -> None:
        self.keys.kept["k1"] = replace(self.keys.kept["k1"], revoked_at=AT)


KEY = "xl_k1_secret"


async def test_verified_once_then_from_memory() -> None:
    world = World()
    assert world.auth.find_fresh(KEY) is None
    principal = await world.auth.verify(KEY)
    assert (principal.key_id, principal.own_hospital) == ("k1", "h")
    world.now += auth.FRESH_S - 1
    assert world.auth.find_fresh(KEY) == principal
    assert world.keys.looks == 1


async def test_a_revoked_key_ends_within_a_minute() -> None:
    world = World()
    await world.auth.verify(KEY)
    world.revoke()
    world.now += auth.FRESH_S
    assert world.auth.find_fresh(KEY) is None
    with pytest.raises(ContractError, match="api_key_invalid"):
        await world.auth.verify(KEY)


async def test_a_replaced_secret_ends_the_old_one() -> None:
    world = World()
    await world.auth.verify(KEY)
    world.add("k1", "other")
    world.now += auth.FRESH_S
    with pytest.raises(ContractError, match="api_key_invalid"):
        await world.auth.verify(KEY)


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_stays_good_while_postgres_is_away(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECK_LIMIT_S", 0.05)
    world = World()
    await world.auth.verify(KEY)
    setattr(world.keys, how, True)
    world.now += auth.FRESH_S
    assert (await world.auth.verify(KEY)).key_id == "k1"
    looks = world.keys.looks
    assert world.auth.find_fresh(KEY) is not None, "the next call does not wait for PostgreSQL"
    world.now += auth.RECHECK_PAUSE_S
    await world.auth.verify(KEY)
    assert world.keys.looks == looks + 1
    world.now += auth.STALE_S
    with pytest.raises(TransientError, match="postgres_away"):
        await world.auth.verify(KEY)
    setattr(world.keys, how, False)
    assert (await world.auth.verify(KEY)).key_id == "k1"


async def test_an_unknown_key_cannot_be_told_while_postgres_is_away() -> None:
    world = World()
    world.keys.away = True
    with pytest.raises(TransientError):
        await world.auth.verify(KEY)
    world.keys.away = False
    # An outage is not remembered as a refusal.
    assert (await world.auth.verify(KEY)).key_id == "k1"


@pytest.mark.parametrize("text", ["xl_k1_wrong", "xl_k2_secret", "k1_secret", "xl_k1", ""])
async def test_refused_keys_are_remembered_for_a_while(text: str) -> None:
    world = World()
    with pytest.raises(ContractError, match="api_key_invalid"):
        await world.auth.verify(text)
    looks = world.keys.looks
    with pytest.raises(ContractError, match="api_key_invalid"):
        await world.auth.verify(text)
    assert world.keys.looks == looks


async def test_a_refusal_is_forgotten() -> None:
    world = World()
    with pytest.raises(ContractError, match="api_key_invalid"):
        await world.auth.verify("xl_k2_secret")
    world.add("k2", "secret")
    world.now += auth.REFUSED_S
    assert (await world.auth.verify("xl_k2_secret")).key_id == "k2"


async def test_guessing_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_WAITING", 4)
    world = World()
    await world.auth.verify(KEY)
    world.keys.hangs = True
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(world.auth.verify(f"xl_g{n}_x")) for n in range(4)]
        await asyncio.sleep(0.01)
        with pytest.raises(TransientError, match="auth_busy"):
            await world.auth.verify("xl_g9_x")
        assert world.auth.find_fresh(KEY), "a known key does not stand in that queue"
        assert world.keys.looks == 1 + auth.MAX_LOOKS
        for task in waiting:
            task.cancel()


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_REFUSED", 3)
    monkeypatch.setattr(auth, "MAX_KEPT", 1)
    world = World()
    world.add("k2", "secret")
    for n in range(6):
        with pytest.raises(ContractError):
            await world.auth.verify(f"xl_g{n}_x")
    assert len(world.auth._refused) == 3
    await world.auth.verify(KEY)
    await world.auth.verify("xl_k2_secret")
    assert world.auth.find_fresh(KEY) is None
    assert world.auth.find_fresh("xl_k2_secret")


def test_keys_are_split_at_the_first_underscore() -> None:
    assert split_key("xl_a-b.c_se_cret") == ("a-b.c", "se_cret")
    assert split_key("xl__x") is None
    assert split_key("xl_a_") is None


@pytest.mark.parametrize("kept", ["", "no hash", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"])
def test_what_is_no_hash_of_ours_fits_no_secret(kept: str) -> None:
    assert not is_secret("s", kept)


def test_a_hash_fits_its_secret_alone_and_does_not_hold_it() -> None:
    kept = hash_secret("s")
    assert is_secret("s", kept)
    assert not is_secret("t", kept)
    assert kept == "sha256$" + "043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89"
