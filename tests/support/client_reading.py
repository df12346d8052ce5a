"""What tests of the client read, and how."""

from tests.support.archive import MIB, random_bytes

DATA = random_bytes(5 * MIB + 99, seed=9)


def names(client, path):
    return sorted(node.path.rpartition("/")[2] for node in client.list(path))


def content(client, path):
    file = client.open(client.stat(path))
    try:
        return b"".join(bytes(file.pread(700_001, at)) for at in range(0, file.size, 700_001))
    finally:
        file.close()
