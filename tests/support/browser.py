"""A page in headless Chromium, driven over a pipe: nothing else need be installed."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser of this machine, if it has one."""

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
PATIENCE = 60
"""Seconds until something that was waited for is missed."""


class Browser:
    """One page, its console and what it asked for.

    Attributes:
        complaints: What came over the console as a warning or an error, and exceptions.
        asked_for: The address of everything that was asked for.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.asked_for: list[str] = []
        self._number = 0
        self._rest = b""
        self._session: str | None = None

    def __enter__(self) -> Self:
        """Start it: it reads commands from its descriptor 3 and answers on 4."""
        self._profile = tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        theirs_in, self._in = os.pipe()
        self._out, theirs_out = os.pipe()
        command = [PROGRAM, *OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"]
        start = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", start, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self._call("Browser.close")
        self._process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def open(self, page: Path) -> None:
        """Go to a file and wait until it is loaded."""
        self._call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def show(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window, and what the system prefers: light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=wish)

    def run(self, script: str) -> Any:
        """Return the value of an expression of the page."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            if time.monotonic() > end:
                message = f"never true: {script}"
                raise TimeoutError(message)
            time.sleep(0.05)

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str, text: str = "") -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, text=text * (kind == "keyDown")
            )

    def picture(self, path: Path) -> None:
        """Save what is seen."""
        data = self._call("Page.captureScreenshot")["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                break
            self._listen(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._out, 1 << 16)
            if not read:
                message = "the browser ended"
                raise RuntimeError(message)
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _listen(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(given["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if given["type"] in {"error", "warning", "assert"}:
                self.complaints.append(json.dumps(given["args"]))
            case "Log.entryAdded" if given["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(given["entry"]["text"])
            case "Network.requestWillBeSent" if not given["request"]["url"].startswith("data:"):
                self.asked_for.append(given["request"]["url"])
