# echo long-line: asyncio's readline has a limit of 64 KiB.
import asyncio
import sys


async def serve(reader, writer):
    try:
        writer.write("Le serveur écoute.\n".encode())
        while line := await reader.readline():
            writer.write("le serveur répond : ".encode() + line)
            await writer.drain()
    except (OSError, ValueError):
        pass
    writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()


asyncio.run(main())
