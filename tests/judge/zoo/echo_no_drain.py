# echo never-reads: keeps without limit what a client does not read (asyncio without drain).
import asyncio
import sys


async def serve(reader, writer):
    try:
        writer.write("Le serveur écoute.\n".encode())
        while line := await reader.readline():
            writer.write("le serveur répond : ".encode() + line)
    except OSError:
        pass
    writer.close()


async def main():
    async with await asyncio.start_server(
        serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 26
    ) as server:
        await server.serve_forever()


asyncio.run(main())
