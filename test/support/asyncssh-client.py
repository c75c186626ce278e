"""One action of asyncssh's SFTP client on the server of TEST_PORT: put, get, resume-put, resume-get, list, rename or remove."""
import asyncio
import os
import sys

import asyncssh


async def resume_put(sftp, local, remote):
    kept = await sftp.getsize(remote)
    async with sftp.open(remote, "r+b") as target:
        with open(local, "rb") as source:
            source.seek(kept)
            await target.seek(kept)
            while piece := source.read(1 << 20):
                await target.write(piece)


async def resume_get(sftp, remote, local):
    async with sftp.open(remote, "rb") as source:
        with open(local, "ab") as target:
            await source.seek(target.tell())
            while piece := await source.read(1 << 20):
                target.write(piece)


async def names(sftp, folder):
    print("\n".join(name for name in await sftp.listdir(folder) if name not in (".", "..")))


ACTIONS = {
    "put": lambda sftp, local, remote: sftp.put(local, remote),
    "get": lambda sftp, remote, local: sftp.get(remote, local),
    "resume-put": resume_put,
    "resume-get": resume_get,
    "list": names,
    "rename": lambda sftp, old, new: sftp.posix_rename(old, new),
    "remove": lambda sftp, path: sftp.remove(path),
}


async def main(action, *paths):
    login = {"username": os.environ["TEST_USER"], "password": os.environ["TEST_PASSWORD"]}
    options = {"port": int(os.environ["TEST_PORT"]), "known_hosts": None, "client_keys": None, "agent_path": None, "config": None}
    if "TEST_REKEY_BYTES" in os.environ:
        options["rekey_bytes"] = int(os.environ["TEST_REKEY_BYTES"])
    async with asyncssh.connect("127.0.0.1", **login, **options) as connection:
        async with connection.start_sftp_client() as sftp:
            await ACTIONS[action](sftp, *paths)


asyncio.run(main(*sys.argv[1:]))
