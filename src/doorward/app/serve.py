"""`doorward serve`: one data-plane process, from taking the lock to releasing it."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from doorward import __version__
from doorward.app import garbage
from doorward.app.changes import Told
from doorward.app.process import MakeIssuers, Process, Secure
from doorward.app.runner import run
from doorward.app.stdio import serve_stdio
from doorward.app.surroundings import judged, surroundings
from doorward.app.watch import FileWatch
from doorward.config.errors import ConfigError, Problem
from doorward.config.identity import Auth
from doorward.config.load import Loaded, load
from doorward.config.settings import Settings
from doorward.model.errors import DoorwardError, GatewayError

CONFIG_POLL_S = 0.5


def serve(
    loaded: Loaded,
    *,
    stdio: bool,
    secure: Secure | None = None,
    make_issuers: MakeIssuers | None = None,
) -> int:
    """Exit code 0 after a drained stop, 2 for a configuration that cannot be served here. `secure`: as
    `Process.listen` takes it; `make_issuers`: as `Process.open` does."""
    return run(_serve(loaded, stdio, secure, make_issuers))


async def _serve(loaded: Loaded, stdio: bool, secure: Secure | None, make_issuers: MakeIssuers | None) -> int:
    garbage.begin()
    try:
        remarks = judged(surroundings(loaded))
        process = await Process.open(loaded, make_issuers)
    except ConfigError as error:
        say(error.render())
        return 2
    except (DoorwardError, OSError, ValueError) as error:
        say(f"doorward: {words(error)}")
        return 2
    remark(process, remarks)
    stopping = asyncio.Event()
    _on_signals(stopping, process)
    watcher = asyncio.get_running_loop().create_task(_follow_config(process))
    watcher.add_done_callback(following_ended)
    garbage.settle()
    try:
        if stdio:
            await serve_stdio(process, stopping)
        else:
            await _serve_http(process, stopping, secure)
    except (OSError, ValueError) as error:
        say(f"doorward: {words(error)}")
        return 2
    finally:
        watcher.cancel()
        await process.close()
    return 0


async def _serve_http(process: Process, stopping: asyncio.Event, secure: Secure | None) -> None:
    addresses = await process.listen(say, secure)
    settings = process.world.loaded.settings
    say(f"doorward {__version__} listening on {', '.join(addresses)}  {summary(settings)}")
    await stopping.wait()
    cut = await process.drain(settings.gateway.drain)
    say("doorward stopped" + (f"; {cut} calls were cut at the deadline" if cut else ""))


def remark(process: Process, remarks: Sequence[Problem]) -> None:
    """Say what is only a warning, once for as long as it lasts."""
    fresh = [each for each in remarks if each not in process.remarked]
    process.remarked = tuple(remarks)
    for each in fresh:
        say(each.render())


def words(error: Exception) -> str:
    """For the operator: the number of an OSError says nothing that its text does not."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return str(error.strerror)
    return str(error)


def _on_signals(stopping: asyncio.Event, process: Process) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, process.wanted.set)


async def _follow_config(process: Process) -> None:
    """Reload on SIGHUP and when a file of the configuration changes."""
    watch = FileWatch(process.world.loaded.files)
    while True:
        told: Told = "signal"
        try:
            async with asyncio.timeout(CONFIG_POLL_S):
                await process.wanted.wait()
        except TimeoutError:
            told = "file"
            process.follow_tls()
            process.settling.look(time.monotonic(), quiet=process.quiet)
            if not watch.changed():
                continue
        process.wanted.clear()
        await reload(process, told)
        watch.follow(process.world.loaded.files)


def following_ended(watcher: asyncio.Task[None]) -> None:
    """A bug in a reload must not end in silence: from here on a changed file changes nothing."""
    error = None if watcher.cancelled() else watcher.exception()
    if error is not None:
        message = "the configuration is no longer followed: restart to apply changes"
        watcher.get_loop().call_exception_handler({"message": message, "exception": error, "task": watcher})


async def reload(process: Process, told: Told = "file") -> bool:
    """The new world or the old one, never half of each. A bad file is reported and changes nothing. `told`:
    what made us look."""
    before = process.world.loaded
    try:
        loaded = load(before.path)
        remarks = judged(surroundings(loaded) + ([] if process.tls is None else process.tls.problems(loaded)))
    except ConfigError as error:
        return await _refused(process, f"{error.render()}\ndoorward: {before.path} is not valid", "not valid")
    process.unadopted = None
    if loaded.digest == before.digest and loaded.settings == before.settings:
        return False
    fixed = needs_restart(before.settings, loaded.settings)
    if fixed:
        names = ", ".join(fixed)
        return await _refused(process, f"doorward: {names} cannot change while running", f"changes {names}")
    try:
        await process.adopt(loaded, told)
    except (DoorwardError, OSError, ValueError) as error:
        return await _refused(process, f"doorward: {words(error)}", "cannot be built")
    process.settling.wanted(time.monotonic())
    say(f"doorward: reloaded {loaded.path}  {summary(loaded.settings)}")
    remark(process, remarks)
    return True


async def _refused(process: Process, said: str, cause: str) -> bool:
    """Say so and record it; the old world goes on. `cause` holds nothing of the file, which has secrets in
    it."""
    say(f"{said}; the running configuration stays in force")
    process.unadopted = cause
    try:
        await process.world.recorder.lifecycle("reload_refused", cause=cause)
    except GatewayError as error:
        say(f"doorward: {error}")
    return False


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """Settings that hold a lock, a socket or a file that cannot be swapped under running calls."""
    pairs: dict[str, Callable[[Settings], Any]] = {
        "gateway.listen": lambda s: s.gateway.listen,
        "gateway.tls": lambda s: s.gateway.tls is None,
        "gateway.state": lambda s: s.gateway.state,
        "gateway.secrets": lambda s: s.gateway.secrets,
        "gateway.proxy_protocol": lambda s: s.gateway.proxy_protocol,
        "gateway.connections": lambda s: s.gateway.connections,
        "gateway.admin": lambda s: s.gateway.admin,
    }
    return [name for name, of in pairs.items() if of(old) != of(new)]


def summary(settings: Settings) -> str:
    """What an operator wants to see at the first glance."""
    names = ", ".join(settings.servers) or "none yet"
    agents = ", ".join(settings.agents) or "none yet"
    return f"mode {settings.mode} · auth {_known_by(settings)} · servers {names} · agents {agents}"


def _known_by(settings: Settings) -> str:
    auth = settings.auth
    if not isinstance(auth, Auth):
        return "none (loopback only)"
    issuers = len(auth.issuers)
    tokens = f"tokens of {issuers} issuer{'s' if issuers > 1 else ''}" if issuers else ""
    kinds = ("keys" if auth.keys else "", tokens, "certificates" if auth.certificates else "")
    return ", ".join(filter(None, kinds))


def say(text: str, stream: TextIO | None = None) -> None:
    """A line for the operator. Never stdout: over stdio that belongs to the protocol."""
    print(text, file=stream or sys.stderr, flush=True)
