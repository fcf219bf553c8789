"""How long a score over HTTP takes: `python -m benchmarks.serving`, of a warehouse with a next_episode model.

The server is tied to one processor, this client to another. Requests are sent when they are due, 200 a second
by default, whether or not earlier ones were answered; a request's time counts from when it was due.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from statistics import quantiles

from common.warehouse import open_warehouse
from ml.tasks import NEXT_EPISODE

PATH = "/score/next_episode"
CONNECTIONS = 16
ROWS = 500


def bodies() -> list[bytes]:
    """Requests of one row each, of rows of the mart."""
    columns = ", ".join(NEXT_EPISODE.features)
    with open_warehouse(read_only=True) as connection:
        rows = connection.execute(
            f"select {columns} from {NEXT_EPISODE.feature_model} order by {NEXT_EPISODE.key} limit {ROWS}"
        ).fetchall()
    return [
        json.dumps({"features": dict(zip(NEXT_EPISODE.features, row, strict=True))}).encode() for row in rows
    ]


def processors() -> tuple[set[int], set[int]]:
    """One for the server, and one of the others, if there is any, for this client."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, {others[0]} if others else {first}


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    """The body of the answer, on a connection that stays open."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode())
    [length] = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return await reader.readexactly(int(length.split(b":")[1]))


async def measure(port: int, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each request."""
    free: asyncio.Queue = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    waiting, taken = bodies(), []

    async def ask(due: float, body: bytes) -> None:
        connection = await free.get()
        await post(*connection, body)
        taken.append((time.perf_counter() - due) * 1000)
        free.put_nowait(connection)

    # The first ones meet a process that has just started.
    for body in waiting[:50]:
        await ask(time.perf_counter(), body)
    taken.clear()
    began = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(due, waiting[number % len(waiting)])))
    await asyncio.gather(*tasks)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="(%(default)s)")
    options = parser.parse_args()
    of_server, of_client = processors()
    command = [sys.executable, "-m", "ml.serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if of_server:
                os.sched_setaffinity(server.pid, of_server)
                os.sched_setaffinity(0, of_client)
            line = server.stdout.readline()
            port = int(line.split("127.0.0.1:")[1].split("/")[0])
            taken = asyncio.run(measure(port, options.rate, options.seconds))
        finally:
            server.terminate()
    cuts = quantiles(taken, n=1000)
    print(
        f"{len(taken):,} requests at {options.rate:.0f} a second: "
        f"p50 {cuts[499]:.1f} ms, p95 {cuts[949]:.1f} ms, p99 {cuts[989]:.1f} ms, highest {max(taken):.1f} ms"
    )


if __name__ == "__main__":
    main()
