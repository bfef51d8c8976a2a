#!/usr/bin/env python3
"""200 real readers on real servers of this computer, and 100 revocations: how long each takes to reach each reader.

    benches/fleet/experiment.py    writes benches/fleet/experiment.tsv: how they read, what, percent, value

Each reader has connections of its own, sends what the stores send, and pauses as `src/revocation/follower.rs` does. All of them
are tasks of one thread. What an answer costs that thread is measured too, and for how long readers and engine had to wait for a
processor, so that the simulation can reckon with it.
"""

import asyncio
import random
import re
import struct
import sys
import time
from pathlib import Path

from engines import Postgres, Redis, schedule
from statements import CHANNEL, LIFE, LOG, append, record, script, statement, tables

sys.dont_write_bytecode = True
RESULTS = Path(__file__).resolve().parent / "experiment.tsv"
READERS, REVOCATIONS, RATE = 200, 100, 4.0
GATHER, WAIT = 0.2, 5.0
NAME = re.compile(rb'"name": ?"([0-9a-f]{8})-')


class Race:
    """When each was revoked, and how long it took to reach each reader."""

    def __init__(self):
        self.begun, self.reached, self.answers = {}, [], 0

    def saw(self, records):
        now = time.perf_counter()
        self.reached += [(now - self.begun[int(name, 16)]) * 1e3 for name in records]

    def is_over(self):
        return len(self.reached) >= READERS * REVOCATIONS


class RedisLink:
    @classmethod
    async def to(cls, port):
        it = cls()
        it.reader, it.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        return it

    async def call(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return await self.answer()

    async def answer(self):
        line = (await self.reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind not in b"$*":
            return rest
        if rest == b"-1":
            return None
        if kind == b"*":
            return [await self.answer() for _ in range(int(rest))]
        return (await self.reader.readexactly(int(rest) + 2))[:-2]


async def follow_redis(port, race, look, listens):
    link = await RedisLink.to(port)
    ear = await RedisLink.to(port) if listens else None
    position = ()
    while True:
        epoch, _, _, records, entry, ends = await link.call("EVALSHA", look, 2, *LOG, "new", 1000, *position)
        position = (epoch, entry, ends)
        race.answers += 1
        if records:
            race.saw(NAME.search(text)[1] for text in records)
            await asyncio.sleep(GATHER * (0.5 + random.random()))
        elif listens:
            await ear.call("XREAD", "COUNT", 1, "BLOCK", int(WAIT * 1000), "STREAMS", LOG[0], entry)
            race.answers += 1
        else:
            await asyncio.sleep(0.25)


class PostgresLink:
    @classmethod
    async def to(cls, port):
        it = cls()
        it.reader, it.writer = await asyncio.open_connection("127.0.0.1", port)
        body = struct.pack("!I", 196608) + b"user\0bench\0database\0bench\0\0"
        it.writer.write(struct.pack("!I", len(body) + 4) + body)
        await it.answer()
        return it

    async def call(self, text):
        body = text.encode() + b"\0"
        self.writer.write(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return await self.answer()

    async def message(self):
        head = await self.reader.readexactly(5)
        return head[:1], await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)

    async def answer(self):
        rows = []
        while True:
            kind, body = await self.message()
            if kind == b"D":
                rows.append(body)
            elif kind == b"E":
                raise RuntimeError(body.replace(b"\0", b" ").decode())
            elif kind == b"Z":
                return rows

    async def told(self):
        while (await self.message())[0] != b"A":
            pass


async def follow_postgres(port, race, last, listens):
    link = await PostgresLink.to(port)
    await link.call("PREPARE look(bigint, bigint) AS " + statement("READ"))
    ear, told = None, None
    if listens:
        ear = await PostgresLink.to(port)
        await ear.call(f"LISTEN {CHANNEL}")
    while True:
        rows = await link.call(f"EXECUTE look({last}, 1001)")
        race.answers += 1
        names = [found[1] for found in map(NAME.search, rows) if found]
        if names:
            last += len(names)
            race.saw(names)
            await asyncio.sleep(GATHER * (0.5 + random.random()))
            if told and told.done():  # of what was read just now, mostly
                told = None
        elif listens:
            told = told or asyncio.ensure_future(ear.told())
            done, _ = await asyncio.wait([told], timeout=1.0)
            if done:
                told = None
                race.answers += 1
        else:
            await asyncio.sleep(1.0)


def engine_schedule(server):
    return [sum(times) for times in zip(*map(schedule, server.processes()))]


async def run(name, server, follow, revoke):
    race = Race()
    readers = []
    for _ in range(READERS):  # not all in one moment
        readers.append(asyncio.ensure_future(follow(race)))
        await asyncio.sleep(0.02)
    await asyncio.sleep(2)
    race.answers, next_one = 0, time.perf_counter()
    readers_before, engine_before = schedule("self"), engine_schedule(server)
    for number in range(REVOCATIONS):
        next_one += random.expovariate(RATE)
        await asyncio.sleep(max(0, next_one - time.perf_counter()))
        race.begun[number] = time.perf_counter()
        await revoke(number)
    limit = time.perf_counter() + 30
    while not race.is_over() and time.perf_counter() < limit:
        await asyncio.sleep(0.05)
    cost, waited = [(after - before) / race.answers * 1e6 for before, after in zip(readers_before, schedule("self"))]
    had, lacked = [after - before for before, after in zip(engine_before, engine_schedule(server))]
    for reader in readers:
        if reader.done():
            reader.result()
        reader.cancel()
    await asyncio.sleep(0.1)
    reached = sorted(race.reached)
    at = lambda percent: reached[max(0, -(-len(reached) * percent // 100) - 1)]
    rows = [f"{name}\treached_ms\t{percent}\t{at(percent):.3f}" for percent in range(1, 101)]
    rows += [f"{name}\treached\t100\t{len(reached)}", f"{name}\treader_us\t100\t{cost:.1f}",
             f"{name}\treader_waits_us\t100\t{waited:.1f}", f"{name}\tengine_stretch\t100\t{(had + lacked) / had:.3f}"]
    print(f"{name:22} {len(reached)} of {READERS * REVOCATIONS}: p50 {at(50):.1f} ms, p99 {at(99):.1f} ms, worst {at(100):.1f} ms; "
          f"an answer costs the readers {cost:.0f} us and {waited:.0f} us of waiting for a processor; "
          f"the engine took {(had + lacked) / had:.2f} times its own time", flush=True)
    return rows


async def main():
    random.seed(20_261_128)
    rows = ["way\twhat\tpercent\tvalue"]
    for name, listens in (("redis-polled", False), ("redis-listening", True)):
        server = Redis()
        try:
            writer = await RedisLink.to(server.port)
            look, add = [(await writer.call("SCRIPT", "LOAD", script(it))).decode() for it in ("read", "append")]
            rows += await run(name, server, lambda race: follow_redis(server.port, race, look, listens),
                              lambda number: writer.call("EVALSHA", add, 2, *LOG, "new", LIFE, record(number)))
        finally:
            server.stop()
    for name, listens in (("postgresql-polled", False), ("postgresql-listening", True)):
        server = Postgres()
        try:
            tables(server.client())
            writer = await PostgresLink.to(server.port)
            rows += await run(name, server, lambda race: follow_postgres(server.port, race, 0, listens),
                              lambda number: writer.call(append(record(number))))
        finally:
            server.stop()
    RESULTS.write_text("\n".join(rows) + "\n")


asyncio.run(main())
