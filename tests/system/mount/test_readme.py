"""The README's session does what it says there, command by command."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.processes import MARK, SESSION, end_processes, marked_processes

README = Path(__file__).parents[3] / "README.md"
LIMIT = 120
MOST_LINES = 150
URL = "http://127.0.0.1:8080"


def session():
    """The session's commands, each with what it prints."""
    (block,) = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    return [
        (command, printed) for command, printed in re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", block)
    ]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shell:
    """Runs the commands as a user types them, one after the other."""

    def __init__(self, folder):
        self.mark = f"{SESSION}-{uuid.uuid4().hex}"
        self._folder = folder
        self._environment = {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            MARK: self.mark,
        }
        self._begun = contextlib.ExitStack()

    def run(self, command):
        """Run a command; return what it prints, of one in the background until it is ready."""
        if command.startswith("export "):
            self._environment |= dict(word.split("=", 1) for word in command.split()[1:])
            return ""
        background = command.endswith(" &")
        process = subprocess.Popen(
            ["bash", "-euc", command.removesuffix(" &")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
            env=self._environment,
        )
        if not background:
            printed, _ = process.communicate(timeout=LIMIT)
            assert process.returncode == 0, printed
            return printed
        self._begun.enter_context(process)
        self._begun.callback(process.send_signal, signal.SIGTERM)
        lines: list[str] = []
        assert process.stdout is not None
        while not (lines and lines[-1].startswith("http")):
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        return "".join(lines)

    def close(self):
        for mountpoint in self._folder.glob("mnt"):
            subprocess.run(["fusermount3", "-uzq", mountpoint], check=False, timeout=LIMIT)
        self._begun.close()
        end_processes(lambda: marked_processes(self.mark), 10)


@pytest.fixture
def shell(tmp_path):
    running = Shell(tmp_path)
    try:
        yield running
    finally:
        running.close()


def test_the_session_of_the_readme_prints_what_it_says(shell, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, size in (("spring.raw", 3 << 20), ("genome.tar", 5 << 20)):
        (pictures / name).write_bytes(os.urandom(size))
    own = f"http://127.0.0.1:{free_port()}"
    port = own.rpartition(":")[2]
    for command, printed in session():
        command = command.replace(URL, own).replace("--port 8080", f"--port {port}")
        said = shell.run(command)
        # The emulator tells its URL, and its log what it added, in either order.
        assert sorted(said.splitlines()) == sorted(printed.replace(URL, own).splitlines()), command
    restored = tmp_path / "restored"
    assert sorted(path.name for path in restored.iterdir()) == ["genome.tar", "spring.raw"]
    for path in pictures.iterdir():
        assert (restored / path.name).read_bytes() == path.read_bytes()


def test_the_readme_stays_short_enough_to_be_read():
    assert len(README.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("document", [README, *sorted(README.parent.glob("docs/**/*.md"))])
def test_links_between_documents_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target
