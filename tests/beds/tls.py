"""TLS before an STS: `tls.py CERTIFICATE-AND-KEY PORT STS-PORT`, on loopback."""
import asyncio
import ssl
import sys

pem, port, behind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


async def pass_on(source, sink):
    while part := await source.read(65536):
        sink.write(part)
        await sink.drain()
    sink.close()


async def serve(reader, writer):
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
    await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    await (await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)).serve_forever()


asyncio.run(main())
