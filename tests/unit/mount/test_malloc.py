"""Memory that the C library keeps: a few heaps for all threads, however many read."""

import subprocess
import sys

COUNT_HEAPS = """
import ctypes, sys, tempfile, threading
from casfs.mount.malloc import limit_arenas

if sys.argv[1] == "limited":
    limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.free.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
all_there = threading.Barrier(8)

def read():
    buffer = libc.malloc(1 << 20)
    all_there.wait(30)
    libc.free(buffer)

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile("r") as told:
    file = libc.fopen(told.name.encode(), b"w")
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read().count("<heap nr="))
"""


def heaps(how: str) -> int:
    command = [sys.executable, "-c", COUNT_HEAPS, how]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_threads_share_a_few_heaps() -> None:
    assert heaps("limited") <= 2 < heaps("as it is")
