"""A headless Chromium that tests look at pages with: the DevTools protocol over a pipe, no driver and no port."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian package chromium)")

_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run",
    "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio",
)  # fmt: skip


class Browser:
    """One page of a running Chromium."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events on the way are kept in `events`."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session := getattr(self, "_session", None):
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.events.append(answer)

    def wait_for(self, method: str, **wanted: Any) -> dict[str, Any]:
        """The next event of this name with these parameters."""
        while True:
            for place, event in enumerate(self.events):
                if event.get("method") == method and wanted.items() <= event["params"].items():
                    return dict(self.events.pop(place)["params"])
            self.events.append(self._next())

    def open(self, page: Path) -> float:
        """Open a file; returns the seconds until it was loaded and its scripts had run."""
        self.events.clear()
        started = time.perf_counter()
        self.command("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")
        return time.perf_counter() - started

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, a promise's once it is kept."""
        answer = self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key as a hand would; its effect is there when this returns."""
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key)

    def resize(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Make the page this wide, as on a phone where it is narrow."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = "dark" if dark else "light"
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def download(self, click: str, folder: Path) -> Path:
        """Click what this selector finds; returns the file that the browser saved."""
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)
        self.run(f"document.querySelector({json.dumps(click)}).click()")
        name = self.wait_for("Browser.downloadWillBegin")["suggestedFilename"]
        self.wait_for("Browser.downloadProgress", state="completed")
        return folder / str(name)

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen as PNG."""
        path.write_bytes(b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the browser complained of since the page was opened: errors of scripts, violations of the policy."""
        self.run("0")
        wrong = [e["params"] for e in self.events if e.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}]
        return [json.dumps(params) for params in wrong]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 16)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers that the shell's redirections do not need."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile, ended on leaving."""
    assert CHROMIUM
    to_it, write = _pipe()
    read, from_it = _pipe()
    # Chromium reads commands from descriptor 3 and writes answers to 4; a shell puts the pipes there.
    arguments = [CHROMIUM, *_QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    shell = f'exec "$@" 3<&{to_it} 4>&{from_it} {to_it}<&- {from_it}>&-'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *arguments],
        pass_fds=(to_it, from_it), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_it)
    os.close(from_it)
    try:
        yield Browser(write, read)
    finally:
        os.close(write)
        os.close(read)
        process.terminate()
        process.wait(30)
