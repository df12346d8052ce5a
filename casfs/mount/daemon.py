"""A mount from its options to its end, in the background or in the foreground."""

import logging
import os
import resource
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from casfs.assembly import read_limit_again
from casfs.client import Client
from casfs.config import Config
from casfs.endpoints import warn_if_readable
from casfs.errors import CasfsError, ConfigError, LibraryError, MountError, ThreadError
from casfs.logs import LastWarning, LogFormatter, log_thread_crash
from casfs.mount.binding import new_session
from casfs.mount.detach import serve_detached
from casfs.mount.ending import Ending
from casfs.mount.library_output import captured
from casfs.mount.log_file import LogFile
from casfs.mount.malloc import limit_arenas
from casfs.mount.mount_options import MountOptions
from casfs.mount.mount_table import FILE_SYSTEM
from casfs.mount.mountpoints import check_free, widen_window
from casfs.mount.operations import Operations
from casfs.mount.option_list import escaped
from casfs.mount.service_manager import ServiceManager
from casfs.mount.session import Session, Settings
from casfs.reasons import reason
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def mount(
    config: Config, mountpoint: str, options: MountOptions, foreground: bool, log_file: Path | None
) -> None:
    """Mount; return once the mount answers or, in the foreground, once it has ended.

    Args:
        config: the account.
        mountpoint: an existing directory.
        options: what `-o` said.
        foreground: stay in the foreground, and log to standard error unless there is a log file.
        log_file: where to log; a detached mount must have one.

    Raises:
        CasfsError: it cannot be mounted; says why.
    """
    mountpoint = os.path.realpath(mountpoint)
    check_free(mountpoint, options.nonempty)
    handler = _log_to(log_file)
    if log_file is not None:
        # The command has already warned on the terminal.
        warn_if_readable(config.endpoint)
    reload = handler.reopen if isinstance(handler, LogFile) else None
    manager = ServiceManager()
    if foreground and manager.listens:
        reloading = partial(manager.reloading, reload)
        status = f"{config.endpoint} is mounted on {mountpoint}"
        ready = partial(manager.watch, mountpoint, status)
        try:
            _serve(config, mountpoint, options, False, reloading, ready)
        finally:
            manager.stopping()
    elif foreground:
        _serve(config, mountpoint, options, False, None, lambda: None)
    else:
        serve = partial(_serve, config, mountpoint, options, True, reload)
        serve_detached(serve, mountpoint, log_file)


def _serve(
    config: Config,
    mountpoint: str,
    options: MountOptions,
    detached: bool,
    reload: Callable[[], None] | None,
    ready: Callable[[], None],
) -> None:
    os.umask(0o077)
    threading.excepthook = log_thread_crash
    limit_arenas()
    _allow_open_files()
    last_warning = LastWarning()
    logging.getLogger().addHandler(last_warning)
    client = Client(config)
    client.report(last_warning)
    session = new_session()
    ending = Ending(client, session, mountpoint)
    is_ready = False

    def started() -> None:
        nonlocal is_ready
        ending.check_not_asked()
        _widen_window(mountpoint)
        if reload is not None:
            ending.reload_on_hangup(partial(_reload, client, reload))
        client.expiry_watch.start(options.on_risk)
        client.rate_sampler.start()
        log.info("%s is mounted on %s", config.endpoint, mountpoint)
        ready()
        is_ready = True

    try:
        # Before there is a mount: without this it could not be shut down in an orderly way.
        ending.watch()
        client.check()
        ending.check_not_asked()
        settings = Settings(
            mountpoint, options.owner, config.listing_ttl, _libfuse_options(config, options)
        )
        operations = Operations(client, options.modes)
        client.report(operations)
        _run(session, operations, settings, started, detached)
        if not is_ready:
            ending.check_not_asked()
    except CasfsError:
        # A request that was canceled for this is not the reason.
        if not is_ready:
            ending.check_not_asked()
        raise
    finally:
        ending.session_over()
        client.close()
        ending.closed()
        log.info("%s is unmounted", mountpoint)


def _reload(client: Client, reload: Callable[[], None]) -> None:
    """Read again on SIGHUP what may change meanwhile."""
    read_limit_again(client.config, client.service)
    reload()


def _run(
    session: Session,
    operations: Operations,
    settings: Settings,
    started: Callable[[], None],
    detached: bool,
) -> None:
    """Run a session, and log what the library prints.

    Raises:
        MountError: the library could not mount; says why, as the library printed it.
    """
    with captured(detached) as printed:
        try:
            session.run(operations, settings, started)
            return
        except LibraryError as error:
            failed = str(error)
    # All that it printed has been read only now.
    raise MountError(f"{failed}: {printed.reason}")


def _widen_window(mountpoint: str) -> None:
    """Widen the kernel's read-ahead window in a thread: until this returns, no mount answers."""
    try:
        start_thread("window", widen_window, mountpoint)
    except ThreadError as error:
        log.warning("cannot widen the kernel's read-ahead window: %s", error)


def _allow_open_files() -> None:
    """Raise the limit of open files to the hard limit: reading many outputs at once takes many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("cannot raise the limit of %d open files: %s", soft, reason(error))


def _libfuse_options(config: Config, options: MountOptions) -> dict[str, str | bool]:
    ours: dict[str, str | bool] = {
        "fsname": f"casfs:{config.profile}",
        "subtype": FILE_SYSTEM.partition(".")[2],
        "ro": True,
        "default_permissions": True,
    }
    given = ours | options.others
    return {name: escaped(v) if isinstance(v, str) else v for name, v in given.items()}


def _log_to(file: Path | None) -> logging.Handler:
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        try:
            handler = LogFile(file)
        except CasfsError:
            raise
        except OSError as error:
            raise ConfigError(
                f"the log {file} cannot be written ({reason(error)}); use --log-file"
            ) from error
    handler.setFormatter(LogFormatter(_LOG_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    return handler
