"""A mount as a process: detached or in front, ready when it answers, ended by a signal."""

import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from casfs.client import Client
from casfs.config import Config, warn_if_readable
from casfs.doors.mount.heaps import limit_heaps
from casfs.doors.mount.log_file import LogFile
from casfs.doors.mount.mountpoints import FILE_SYSTEM, check_free, widen_window
from casfs.doors.mount.operations import Operations
from casfs.doors.mount.session import Session, Settings, new_session
from casfs.errors import CasfsError, ConfigError, MountError
from casfs.logs import LogFormatter, log_death
from casfs.sanitize import shown

log = logging.getLogger(__name__)

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WAKE = signal.SIGUSR1
_READY = b"\0"
_WRONG_USAGE = b"\1"
"""Begins a message that is a `ConfigError`."""
_UNSAFE = {"kernel_cache", "auto_cache"}
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True)
class MountOptions:
    """The `-o` options that casfs itself takes, and those that it hands to libfuse.

    Attributes:
        owner: user and group that own everything.
        umask: permissions to take away.
        nonempty: whether there may be something in the folder, which is then hidden.
        others: name -> value, True for an option without one.
    """

    owner: tuple[int, int]
    umask: int
    nonempty: bool
    others: dict[str, str | bool]


def parse_options(texts: tuple[str, ...]) -> MountOptions:
    """Return what `-o a,b=c -o d` means.

    Raises:
        ConfigError: `uid`, `gid` or `umask` is not a number, or an option is none for casfs.
    """
    given: dict[str, str | bool] = {}
    for text in filter(None, ",".join(texts).split(",")):
        name, equals, value = text.partition("=")
        given[name] = value if equals else True
    if "rw" in given:
        raise ConfigError("-o rw: a mount of casfs is read-only; leave it out")
    for name in _UNSAFE & given.keys():
        raise ConfigError(
            f"-o {name}: the kernel would keep bytes that were found to be wrong; leave it out"
        )
    # libfuse would give files the permissions of programs, and tell nobody of a wrong number.
    uid = _number(given, "uid", os.getuid(), 10)
    gid = _number(given, "gid", os.getgid(), 10)
    umask = _number(given, "umask", 0, 8)
    # Of the two libraries, one always asks for this option, and one does not know it.
    nonempty = bool(given.pop("nonempty", False))
    return MountOptions((uid, gid), umask, nonempty, given)


def _number(given: dict[str, str | bool], name: str, default: int, base: int) -> int:
    value = given.pop(name, None)
    if value is None:
        return default
    try:
        return int(str(value), base)
    except ValueError:
        raise ConfigError(f"-o {name}={value}: not a number of base {base}") from None


def mount(
    config: Config, mountpoint: str, options: MountOptions, foreground: bool, log_file: Path | None
) -> None:
    """Mount; return when the mount answers, or, in front, when it has ended.

    Args:
        config: the account.
        mountpoint: an existing folder.
        options: what `-o` said.
        foreground: stay in front, and log to standard error unless there is a log file.
        log_file: where to log; detached, there must be one.

    Raises:
        CasfsError: it cannot be mounted; says why.
    """
    mountpoint = os.path.realpath(mountpoint)
    check_free(mountpoint, options.nonempty)
    _log_to(log_file)
    if log_file is not None:
        # The command has said so to the terminal.
        warn_if_readable(config.endpoint)
    if foreground:
        _serve(config, mountpoint, options, lambda: None)
        return
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _detached(config, mountpoint, options, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    if told != _READY:
        if told.startswith(_WRONG_USAGE):
            raise ConfigError(told.removeprefix(_WRONG_USAGE).decode())
        raise MountError(told.decode() or f"{mountpoint}: the mount's process died; see {log_file}")
    # What stands there now is the mount; asking it for its root shows that it answers.
    os.stat(mountpoint)


def _detached(config: Config, mountpoint: str, options: MountOptions, pipe: int) -> None:
    """Be the mount's process; never returns."""
    status = 1
    try:
        os.setsid()
        os.chdir("/")
        _serve(config, mountpoint, options, lambda: _ready(pipe))
        status = 0
    except CasfsError as error:
        log.error("%s", error)
        kind = _WRONG_USAGE if isinstance(error, ConfigError) else b""
        _tell(pipe, kind + shown(str(error)).encode())
    except BaseException as error:
        log.critical("the mount ended by a bug", exc_info=True)
        # Its text may hold anything; the log has it, without secrets.
        _tell(pipe, f"casfs met a bug ({type(error).__name__}); please report it".encode())
    finally:
        logging.shutdown()
        os._exit(status)


def _ready(pipe: int) -> None:
    """Tell the process that waits, and let go of its terminal."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (sys.stdin, sys.stdout, sys.stderr):
        os.dup2(nothing, standard.fileno())
    os.close(nothing)
    _tell(pipe, _READY)
    os.close(pipe)


def _tell(pipe: int, message: bytes) -> None:
    try:
        os.write(pipe, message)
    except OSError as error:
        log.info("nobody waits for the mount any more: %s", error)


def _serve(
    config: Config, mountpoint: str, options: MountOptions, ready: Callable[[], None]
) -> None:
    os.umask(0o077)
    threading.excepthook = log_death
    limit_heaps()
    _allow_open_files()
    client = Client(config)
    session = new_session()
    signal.signal(_WAKE, lambda *_: None)
    # Blocked before any thread starts: so they reach the one thread that waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    ended = threading.Event()

    def started() -> None:
        threading.Thread(
            target=_end_on_signal, args=(client, session, ended), name="signals", daemon=True
        ).start()
        threading.Thread(
            target=widen_window, args=(mountpoint,), name="window", daemon=True
        ).start()
        log.info("%s is mounted on %s", config.endpoint, mountpoint)
        ready()

    try:
        client.check()
        session.run(
            Operations(client, options.umask),
            Settings(
                mountpoint, options.owner, config.listing_ttl, _libfuse_options(config, options)
            ),
            started,
        )
    finally:
        ended.set()
        client.close()
        log.info("%s is unmounted", mountpoint)


def _allow_open_files() -> None:
    """Have as many files open as this user may: who reads many outputs at once needs many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("at most %d files can be open at a time: %s", soft, error)


def _end_on_signal(client: Client, session: Session, ended: threading.Event) -> None:
    number = signal.sigwait(_ENDING)
    log.info("ended by %s", signal.Signals(number).name)
    # Whoever waits for bytes gets an error first: the session ends only after its last answer.
    client.close()
    session.stop()
    while not ended.wait(0.1):
        signal.pthread_kill(threading.main_thread().ident or 0, _WAKE)


def _libfuse_options(config: Config, options: MountOptions) -> dict[str, str | bool]:
    ours: dict[str, str | bool] = {
        "fsname": config.endpoint.partition("://")[2],
        "subtype": FILE_SYSTEM.partition(".")[2],
        "ro": True,
        "default_permissions": True,
    }
    return ours | options.others


def _log_to(file: Path | None) -> None:
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        try:
            handler = LogFile(file)
        except CasfsError:
            raise
        except OSError as error:
            raise ConfigError(
                f"the log {file} cannot be written ({error}); use --log-file"
            ) from error
    handler.setFormatter(LogFormatter(_LOG_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
