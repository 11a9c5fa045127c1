"""What the long checks share: a private folder, exchanges in it, a private MariaDB, and cleaning up behind them.

Everything lies below one temporary folder and listens on 127.0.0.1 only. At the end, however it comes, processes are
ended by their ids, databases are dropped, and the folder goes with the journals' shared memory.
"""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAILS = pathlib.Path("/dev/shm")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def say(text):
    """A line of progress; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def binary():
    """RINGBOOK, else the release build."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = pathlib.Path(os.environ.get("RINGBOOK") or target / "release" / "ringbook").absolute()
    if not path.exists():
        sys.exit(f"no {path}; run `cargo build --release -p ringbook-cli`, or name a binary with RINGBOOK")
    return str(path)


def run(*arguments, timeout=300):
    """Runs a command of ringbook to its end: (exit code, standard output, standard error)."""
    command = [binary(), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        error = late.stderr.decode(errors="replace") if late.stderr else ""
        return 124, "", f"{error}did not end in {timeout} s: {' '.join(command[1:])}"
    return done.returncode, done.stdout, ANSI.sub("", done.stderr)


def run_json(*arguments, timeout=300):
    """Runs a command with --json: (exit code, object or None, standard error)."""
    code, out, error = run(*arguments, "--json", timeout=timeout)
    with contextlib.suppress(ValueError):
        return code, json.loads(out), error
    return code, None, error


def http(address, path, timeout=10):
    """GET: (status, body)."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as error:
        return 0, str(error)


def port_below_ephemeral():
    """A free port that the system never gives to an outgoing connection.

    Where a server is killed and comes back on its port, port 0 would not do: a client that keeps trying to connect to a
    port of that range on its own machine can be given the very same port as its source, and so is connected to itself.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


class Work:
    """The temporary folder and all that was started in it; a context manager."""

    def __init__(self, name, folder=None):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"ringbook-{name}-", dir=folder))
        self.processes, self.journals, self.databases, self.mariadbs = [], [], [], []

    def __enter__(self):
        # So that a plain `kill` cleans up too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for url in self.databases:
            drop(url)
        for mariadb in self.mariadbs:
            mariadb.remove()
        for journal in self.journals:
            forget_tails(journal)
        shutil.rmtree(self.path, ignore_errors=True)

    def spawn(self, *arguments, out=None, err=None):
        """Starts a command of ringbook in the background."""
        process = subprocess.Popen([binary(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.processes = [one for one in self.processes if one.poll() is None] + [process]
        return process

    def database(self, url):
        """The same server, a database of its own that is dropped at the end."""
        fresh = re.sub(r"/[^/?]*(\?|$)", rf"/ringbook_test_{os.getpid()}_{random.randrange(10**6)}\1", url)
        self.databases.append(fresh)
        return fresh


def forget_tails(journal):
    """Removes a journal's folder in shared memory (docs/FORMATS.md §1: its name is the identity at offset 16)."""
    with contextlib.suppress(OSError):
        identity = (journal / "journal.id").read_bytes()[16:32].hex()
        shutil.rmtree(TAILS / f"ringbook-{identity}", ignore_errors=True)


def tails(journal):
    """A journal's folder in shared memory."""
    return TAILS / f"ringbook-{(journal / 'journal.id').read_bytes()[16:32].hex()}"


def drop(url):
    """Drops a database that was made for a check."""
    parts = re.match(r"mysql://([^:]*):([^@]*)@([^:/]*):(\d+)/(\w+)", url)
    if parts:
        user, password, host, port, name = parts.groups()
        subprocess.run(
            ["mariadb", f"-h{host}", f"-P{port}", f"-u{user}", f"-p{password}", "-e", f"DROP DATABASE IF EXISTS {name}"],
            capture_output=True, timeout=60, check=False)  # fmt: skip


class Exchange:
    """One data folder and the server on it, when one runs."""

    def __init__(self, work, name="data", data=None, flags=(), config=None, port=0, http="127.0.0.1:0"):
        self.work = work
        self.data = pathlib.Path(data) if data else work.path / name
        self.flags, self.port, self.http_at = list(flags), port, http
        self.log, self.out = work.path / f"{name}.log", work.path / f"{name}.out"
        self.process = self.order_entry = self.http = None
        if config is not None:
            file = work.path / f"{name}.toml"
            file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
            self.flags += ["--config", file]
        work.journals.append(self.data / "journal")

    def spawn(self, *more):
        """Starts the process; does not wait for it to be ready."""
        with open(self.out, "wb") as out, open(self.log, "ab") as log:
            self.process = self.work.spawn(
                "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}", "--http", self.http_at,
                *self.flags, *more, out=out, err=log)  # fmt: skip
        return self

    def is_ready(self):
        """Whether the ready line is there; takes the addresses from it."""
        line = re.match(r"ready order-entry=(\S+) http=(\S+)\n", self.out.read_text())
        if line:
            self.order_entry, self.http = line.groups()
        return bool(line)

    def start(self, *more, timeout=120):
        """Starts it and waits until it is ready; seconds that this took."""
        began = time.monotonic()
        self.spawn(*more)
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - began > timeout:
                raise SystemExit(f"the exchange did not become ready (exit {self.process.poll()}):\n{self.log_text()}")
            time.sleep(0.002)
        return time.monotonic() - began

    def stop(self, timeout=60):
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed, because it did not end after SIGTERM"

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def log_text(self):
        """What it said on standard error, last part."""
        return ANSI.sub("", self.log.read_text(errors="replace"))[-4000:] if self.log.exists() else ""

    def json(self, *command, timeout=300):
        """A command on the data folder."""
        return run_json(*command, "--data", self.data, timeout=timeout)

    def load(self, rate, seconds, *more, folder=None):
        """Starts open-loop load; `finish` waits for it. `folder`: where its ledger goes."""
        return Load(self, rate, seconds, more, folder or self.work.path)

    def catch_up(self, projection, timeout=120):
        """Waits until the rows have everything committed; the seconds that took, or None."""
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            _, status, _ = self.json("projection", "status", "--projection", projection)
            if status and status.get("lag_frames") == 0:
                return time.monotonic() - began
            time.sleep(0.1)
        return None


class Load:
    """`ringbook load` in the background."""

    number = 0

    def __init__(self, exchange, rate, seconds, more, folder):
        Load.number += 1
        path = folder / f"load-{Load.number}"
        self.ledger, self.out, self.err = path.with_suffix(".ledger"), path.with_suffix(".out"), path.with_suffix(".err")
        self.seconds = seconds
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = exchange.work.spawn(
                "load", "--connect", exchange.order_entry, "--keys", exchange.data / "keys", "--rate", rate,
                "--duration", seconds, "--ledger", self.ledger, "--json", *more, out=out, err=err)  # fmt: skip

    def running(self):
        """Whether it still runs."""
        return self.process.poll() is None

    def wait_under_way(self, timeout=20):
        """Until accounts and money are there and the first requests are in the ledger."""
        began = time.monotonic()
        while self.running() and time.monotonic() - began < timeout:
            if self.ledger.exists() and self.ledger.stat().st_size > 4096:
                return
            time.sleep(0.01)

    def finish(self, patience=60):
        """Its JSON; `exit` is its exit code."""
        try:
            self.process.wait(self.seconds + patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        result = {"exit": self.process.returncode}
        with contextlib.suppress(ValueError):
            result.update(json.loads(self.out.read_text()))
        if "sent" not in result:
            result["error"] = ANSI.sub("", self.err.read_text())[-500:]
        return result


class MariaDb:
    """A private server by `scripts/mariadb`."""

    def __init__(self, work):
        self.dir = work.path / "mariadb"
        work.mariadbs.append(self)
        self.url = self.start()

    def call(self, action):
        # Its own group of pipes: the server that it leaves behind must not hold ours open.
        with tempfile.TemporaryFile("w+") as out:
            subprocess.run([ROOT / "scripts" / "mariadb", action, self.dir], stdout=out, check=True, timeout=300)
            out.seek(0)
            return out.read().strip()

    def start(self):
        """Starts it, or starts it again; its URL."""
        return self.call("start")

    def pause(self):
        """Stops it and keeps its rows."""
        self.call("pause")

    def freeze(self, frozen):
        """SIGSTOP and SIGCONT: connections stay open and nothing answers."""
        os.kill(int((self.dir / "mariadb" / "pid").read_text()), signal.SIGSTOP if frozen else signal.SIGCONT)

    def remove(self):
        """Ends it and removes its files."""
        with contextlib.suppress(Exception):
            self.freeze(False)
        with contextlib.suppress(Exception):
            self.call("stop")


class Checks:
    """Counts and prints checks."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, good, detail=""):
        """One line."""
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'}  {name}{': ' if detail != '' else ''}{detail}", flush=True)
        return bool(good)

    def end(self):
        """The sum; the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0
