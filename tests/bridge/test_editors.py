"""The extensions of editors against the real bridge: in a real Neovim, and in node."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from qcode import paths
from qcode.bridge.protocol import Context, Diagnostic, Prompt, Selection
from qcode.bridge.server import Bridge
from qcode.errors import QcodeError

ROOT = Path(__file__).resolve().parents[2]
EDITORS = ROOT / "docs/editors"
WITHIN_S = 40.0


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    folder = Path(os.path.realpath(tmp_path)) / "work"
    folder.mkdir()
    (folder / "app.txt").write_text("one\ntwo\nthree\n")
    (folder / "other file.txt").write_text("1\n2\n")
    return folder


class Heard:
    """A session's end, and what it heard."""

    def __init__(self, work: Path) -> None:
        self.prompts: list[Prompt] = []
        self.refusal = ""
        self._changed = asyncio.Event()
        # The editor is a child of this very process, which is the session's here.
        self.bridge = Bridge(
            paths.runtime_dir(),
            work,
            prompt=self._take,
            changed=self._changed.set,
            refusal=lambda _peer: "",
        )

    async def _take(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        self._changed.set()
        if self.refusal:
            raise QcodeError(self.refusal)

    @property
    def context(self) -> Context:
        return self.bridge.handed.context or Context()

    async def until(self, true: Callable[[], bool], editor: asyncio.subprocess.Process) -> None:
        """Wait until something is true, as long as the editor is there."""
        ending = asyncio.ensure_future(editor.wait())
        try:
            while not true():
                changing = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({changing, ending}, return_when=asyncio.FIRST_COMPLETED)
                assert not ending.done() or true(), f"it ended with {ending.result()}"
                self._changed.clear()
        finally:
            ending.cancel()


async def start(work: Path, *words: str, **environment: str) -> asyncio.subprocess.Process:
    around: Mapping[str, str] = {**os.environ, "TERM": "dumb", **environment}
    return await asyncio.create_subprocess_exec(
        *words, cwd=work, env=around, stdin=asyncio.subprocess.DEVNULL
    )


@pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed")
def test_neovim_hands_over_reloads_and_opens(work: Path) -> None:
    async def play() -> None:
        heard = Heard(work)
        bridge = heard.bridge
        await bridge.start("s")
        editor = await start(
            work, "nvim", "--headless", "--clean", "-i", "NONE", "-n",
            "--cmd", f"set runtimepath^={EDITORS / 'nvim'}",
            "--cmd", "let g:qcode = {'command': ['sh', '-c', 'echo $QCODE_BRIDGE_KEY > key; cat']}",
            "-S", str(ROOT / "tests/bridge/nvim.lua"),
        )  # fmt: skip
        app, other = str(work / "app.txt"), str(work / "other file.txt")
        try:
            async with asyncio.timeout(WITHIN_S):
                await heard.until(lambda: bool(heard.prompts), editor)
                assert heard.prompts == [Prompt("why? @selection")]
                assert heard.context.file == app
                assert heard.context.selection == Selection("two\nthree\n", 2, 3)
                (work / "app.txt").write_text("reloaded\ntwo\nthree\n")
                os.utime(work / "app.txt", (1, 1))
                bridge.tell("changed", files=[app])
                found = Diagnostic(app, 2, 3, "warning", "bad\nname", "lint")
                await heard.until(lambda: heard.context.diagnostics == (found,), editor)
                await heard.until(lambda: heard.context.selection is not None, editor)
                assert heard.context.selection == Selection("reloaded\ntwo\n", 1, 2)
                bridge.tell("open", file=other, line=2, column=1)
                await heard.until(lambda: heard.context.file == other, editor)
                bridge.tell("diff", title="t", files=[{"before": app, "after": other}])
                await heard.until(lambda: len(heard.prompts) == 2, editor)
                assert heard.prompts[1] == Prompt("done", submit=True)
                await bridge.close()
                assert await editor.wait() == 0
        finally:
            if editor.returncode is None:
                editor.kill()
                await editor.wait()
            await bridge.close()

    asyncio.run(play())


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_extension_for_vs_code_hands_over_opens_and_compares(work: Path) -> None:
    async def play() -> None:
        heard = Heard(work)
        bridge = heard.bridge
        await bridge.start("s")
        app, other = str(work / "app.txt"), str(work / "other file.txt")
        script = str(ROOT / "tests/bridge/vscode.js")
        editor = await start(
            work, "node", script, str(EDITORS / "vscode"), str(work), app, other
        )  # fmt: skip
        try:
            async with asyncio.timeout(WITHIN_S):
                await heard.until(lambda: bool(heard.prompts), editor)
                assert heard.prompts == [Prompt("why? @selection", submit=True)]
                assert heard.context == Context(
                    app, 3, 6, True, Selection("two\nthree", 2, 3), (app,),
                    (Diagnostic(app, 2, 3, "warning", "bad", "lint"),),
                )  # fmt: skip
                heard.refusal = "not now"
                bridge.tell("open", file=other, line=2, column=1)
                files = [{"path": "x", "before": app, "after": other}]
                bridge.tell("diff", title="t", files=files)
                assert await editor.wait() == 0
                assert heard.prompts[1:] == [Prompt("@selection ")]
        finally:
            if editor.returncode is None:
                editor.kill()
                await editor.wait()
            await bridge.close()

    asyncio.run(play())
