#!/usr/bin/env python3
"""Everyone hears everyone, in Python, one asyncio loop: tests/peers/broadcast.py [PORT]

A queue for each client, which asyncio keeps (broadcast/server has one log for all)."""

import asyncio
import random
import string

from serving import listening, words

LONGEST = 65536  # bytes of a line, its newline not counted
BEHIND = 256 * 1024  # bytes; who is further behind has all who speak wait
room = {}  # name -> StreamWriter


async def say(text, but=None):
    """To all, or to all but one. Returns when nobody is too far behind: whoever speaks is not read
    before."""
    for name, writer in room.items():
        if name != but:
            writer.write(text)
    await asyncio.gather(*map(catch_up, list(room.values())))


async def catch_up(writer):
    try:
        await asyncio.wait_for(writer.drain(), 5)
    except (asyncio.TimeoutError, OSError):
        writer.transport.abort()  # its own task hears of it, and tells the others


async def lines(reader):
    """Each line without its newline, the last one also when it has none. A line too long:
    ValueError."""
    while True:
        try:
            yield (await reader.readuntil(b"\n"))[:-1]
        except asyncio.IncompleteReadError as end:
            if end.partial:
                yield end.partial
            return
        except asyncio.LimitOverrunError:
            raise ValueError("ligne trop longue") from None


async def client(reader, writer):
    writer.transport.set_write_buffer_limits(high=BEHIND, low=BEHIND - 65536)
    while (me := "".join(random.choices(string.ascii_letters + string.digits, k=3))) in room:
        pass
    writer.write(f"je suis : {me}\n".encode())
    room[me] = writer
    farewell = None
    try:
        await say(f"{me} est connecté\n".encode(), but=me)
        async for line in lines(reader):
            await say(f"Message de {me} : ".encode() + line + b"\n")
    except OSError:
        pass
    except ValueError as wrong:
        farewell = f"erreur : {wrong}\n".encode()
    del room[me]
    await say(f"{me} est déconnecté\n".encode())
    try:
        if (
            farewell
        ):  # our end first: to close while something is unread is a reset, which can overtake it
            writer.write(farewell)
            writer.write_eof()
            await asyncio.wait_for(discard(reader), 5)
    except (asyncio.TimeoutError, OSError):
        pass
    writer.close()


async def discard(reader):
    while await reader.read(65536):
        pass


async def main():
    server = await asyncio.start_server(
        client, "127.0.0.1", words().port, limit=LONGEST, backlog=1024
    )
    listening(server.sockets[0].getsockname())
    await server.serve_forever()


asyncio.run(main())
