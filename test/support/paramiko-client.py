"""One action of paramiko's SFTP client on the server of TEST_PORT: put, get, resume-put, resume-get, list, rename or remove."""
import os
import shutil
import sys

import paramiko

action, *paths = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(
    "127.0.0.1",
    port=int(os.environ["TEST_PORT"]),
    username=os.environ["TEST_USER"],
    password=os.environ.get("TEST_PASSWORD"),
    key_filename=os.environ.get("TEST_KEY"),
    look_for_keys=False,
    allow_agent=False,
)
sftp = client.open_sftp()


def resume_put(local, remote):
    with open(local, "rb") as source, sftp.open(remote, "r+b") as target:
        kept = sftp.stat(remote).st_size
        source.seek(kept)
        target.seek(kept)
        target.set_pipelined(True)
        shutil.copyfileobj(source, target, 32768)


def resume_get(remote, local):
    with sftp.open(remote, "rb") as source, open(local, "ab") as target:
        # Without prefetch: when answers outrun its thread, paramiko takes what it asked for as all, and asks for the rest twice.
        source.seek(target.tell())
        shutil.copyfileobj(source, target, 32768)


ACTIONS = {
    "put": sftp.put,
    "get": sftp.get,
    "resume-put": resume_put,
    "resume-get": resume_get,
    "list": lambda folder: print("\n".join(sftp.listdir(folder))),
    "rename": sftp.posix_rename,
    "remove": sftp.remove,
}
ACTIONS[action](*paths)
client.close()
