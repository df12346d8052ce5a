"""A mount from its options to its end, detached or in front."""

import logging
import os
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from casfs.client import Client
from casfs.config import Config
from casfs.endpoints import warn_if_readable
from casfs.errors import CasfsError, ConfigError, ThreadError
from casfs.logs import LogFormatter, log_thread_crash
from casfs.mount.detach import serve_detached
from casfs.mount.ending import Ending
from casfs.mount.log_file import LogFile
from casfs.mount.malloc import limit_arenas
from casfs.mount.mount_table import FILE_SYSTEM
from casfs.mount.mountpoints import check_free, widen_window
from casfs.mount.operations import Operations
from casfs.mount.session import Settings, new_session
from casfs.threads import start_thread

log = logging.getLogger(__name__)

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
    serve = partial(_serve, config, mountpoint, options)
    if foreground:
        serve(lambda: None)
    else:
        serve_detached(serve, mountpoint, log_file)


def _serve(
    config: Config, mountpoint: str, options: MountOptions, ready: Callable[[], None]
) -> None:
    os.umask(0o077)
    threading.excepthook = log_thread_crash
    limit_arenas()
    _allow_open_files()
    client = Client(config)
    session = new_session()
    ending = Ending(client, session, mountpoint)
    is_ready = False

    def started() -> None:
        nonlocal is_ready
        ending.check_not_asked()
        _widen_window(mountpoint)
        log.info("%s is mounted on %s", config.endpoint, mountpoint)
        ready()
        is_ready = True

    try:
        # Before there is a mount: without, it could not be ended in an orderly way.
        ending.watch()
        client.check()
        ending.check_not_asked()
        session.run(
            Operations(client, options.umask),
            Settings(
                mountpoint, options.owner, config.listing_ttl, _libfuse_options(config, options)
            ),
            started,
        )
        if not is_ready:
            ending.check_not_asked()
    except CasfsError:
        # A request that was broken off for this is not the reason.
        if not is_ready:
            ending.check_not_asked()
        raise
    finally:
        ending.session_over()
        client.close()
        ending.closed()
        log.info("%s is unmounted", mountpoint)


def _widen_window(mountpoint: str) -> None:
    """Widen the kernel's window in a thread: the mount answers only after this returns."""
    try:
        start_thread("window", widen_window, mountpoint)
    except ThreadError as error:
        log.warning("the kernel's window stays as it is: %s", error)


def _allow_open_files() -> None:
    """Have as many files open as this user may: who reads many outputs at once needs many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("at most %d files can be open at a time: %s", soft, error)


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
