"""From settings to the sandbox of a session, and what permissions ask of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcode import paths
from qcode.config import INSIDE, Settings, usual_memory
from qcode.errors import SandboxError, ToolError
from qcode.record import replace
from qcode.rules import Rules
from qcode.sandbox.choose import Choice
from qcode.sandbox.hidden import Hidden
from qcode.sandbox.policy import MIB, Grant, Level, Limits, Network, Policy, Tier
from qcode.sandbox.protected import Protected
from qcode.sandbox.repositories import Survey
from qcode.sandbox.sandbox import Places, Sandbox
from qcode.workspace import Workspace


def policy_from(
    settings: Settings, workspace: Workspace, rules: Rules, lent: tuple[Path, ...] = ()
) -> Policy:
    """Return what the settings say commands may touch.

    `lent` are real paths of directories that a copy is worked on of.
    """
    network = settings.network
    if network is None:
        network = Network.PROXY if settings.network_hosts else Network.OFF
    policy = Policy(
        level=settings.sandbox or Level.WORKSPACE_WRITE,
        roots=(workspace.root, *workspace.extra),
        home=Path.home(),
        network=network,
        is_offline=settings.offline,
        hosts=settings.network_hosts,
        caches=tuple(Path(os.path.expanduser(name)) for name in settings.cache_dirs),
        hidden=(*settings.hidden, *rules.denied("read")),
        protected=rules.denied("edit"),
        shown=settings.shown,
        env_pass=settings.env_pass,
        limits=_limits(settings),
        lent=lent,
    )
    return replace(policy, hidden=(*policy.hidden, *_secrets_in(policy))) if lent else policy


def _secrets_in(policy: Policy) -> list[str]:
    """Return the files in what is lent that would be hidden if it were the workspace."""
    out: list[str] = []
    for top in policy.lent:
        hidden = Hidden(
            replace(policy, roots=(top,)),
            config_dir=paths.config_dir(),
            state_dir=paths.state_dir(),
        )
        named = Survey(top, hidden.wanted).look().named
        out += [path for path in hidden.existing(named) if top in Path(path).parents]
    return out


def _limits(settings: Settings) -> Limits:
    usual = Limits()
    memory, file, temp = settings.max_memory, settings.max_file_size, settings.max_temp
    return Limits(
        processes=settings.max_processes or usual.processes,
        file_bytes=usual.file_bytes if file is None else file * MIB,
        temp_bytes=usual.temp_bytes if temp is None else temp * MIB,
        memory_bytes=usual_memory() if memory is None else memory * MIB,
    )


def sandbox_from(
    settings: Settings,
    workspace: Workspace,
    rules: Rules,
    *,
    drop: Collection[str] = (),
    secrets: Collection[str] = (),
    variables: Mapping[str, str] | None = None,
    lent: tuple[Path, ...] = (),
) -> Sandbox:
    """Return the sandbox of a session; it is made when the first process is started.

    `variables` are had otherwise than in this process; for `lent` see `policy_from`.
    """
    return Sandbox(
        policy_from(settings, workspace, rules, lent),
        Places(paths.config_dir(), paths.state_dir(), paths.cache_dir()),
        {**os.environ, **variables} if variables else os.environ,
        wanted=settings.sandbox_tier,
        image=settings.sandbox_image,
        drop=drop,
        secrets=secrets,
    )


def problem(choice: Choice) -> str:
    """Return why no sandbox can be had, in one line."""
    tried = [f"{attempt.tier}: {attempt.why}" for attempt in choice.attempts]
    return "; ".join(tried) or "none is known for this system"


def none_works(choice: Choice) -> SandboxError:
    """Return the error for a machine on which nothing confines."""
    advice = next((attempt.advice for attempt in choice.attempts if attempt.advice), "")
    inside = "already inside one: " if os.environ.get("QCODE_SANDBOX") == INSIDE else ""
    hint = advice or f"{inside}`--sandbox external` where something around qcode confines it"
    return SandboxError(
        f"no sandbox works here ({problem(choice)})",
        hint=f"{hint}; `--sandbox off` runs commands with your rights",
    )


@dataclass(slots=True)
class SandboxBoundary:
    """What permissions and the file tools have to know of a session's sandbox."""

    sandbox: Sandbox
    workspace: Workspace
    has_person: bool = False
    """Whether somebody is there: then commands may run where nothing confines them, each one
    asked about."""
    is_declined: bool = False
    """Whether the person wants no command to run there."""
    _hidden: Hidden = field(init=False)
    _protected: Protected = field(init=False)

    def __post_init__(self) -> None:
        policy = self.sandbox.policy
        self._hidden = Hidden(policy, config_dir=paths.config_dir(), state_dir=paths.state_dir())
        self._protected = Protected(policy.roots, policy.protected, home=policy.home)

    @property
    def confines(self) -> bool:
        """Whether commands run behind a boundary: ours, or one that the caller vouches for."""
        level = self.sandbox.policy.level
        if level.confines:  # asked after the session as well, for what it came to
            return self.sandbox.known_tier is not Tier.NONE
        return level is Level.EXTERNAL

    @property
    def label(self) -> str:
        """The means and the network in a few words."""
        policy = self.sandbox.policy
        if policy.level is Level.EXTERNAL:
            return "outer sandbox"
        if not self.confines:
            return "no sandbox"
        only = "reads only, " if policy.level is Level.READ_ONLY else ""
        return f"{self.sandbox.known_tier}, {only}{_NETWORK[policy.network]}"

    @property
    def asks_each(self) -> bool:
        """Whether a person is asked about every command, as nothing confines it here."""
        return self.sandbox.policy.level.confines and not self.confines

    @property
    def network(self) -> str:
        """What commands may reach: `off`, `proxy` or `on`."""
        return str(self.sandbox.policy.network if self.confines else Network.ON)

    @property
    def refusal(self) -> str:
        """Why no command may be run at all; empty where they may."""
        if not self.sandbox.policy.level.confines or self.confines or not self.is_declined:
            return ""
        return f"no sandbox can be had here ({problem(self.sandbox.choice)})"

    async def ready(self) -> None:
        """Find out by which means commands are confined.

        Raises:
            SandboxError: there are none, and nobody agreed to go without.
        """
        if not self.sandbox.policy.level.confines:
            return
        choice = await asyncio.to_thread(lambda: self.sandbox.choice)
        if choice.tier is not Tier.NONE:
            return
        if self.sandbox.policy.is_offline:
            raise SandboxError(
                f"offline, and nothing here keeps commands from the network ({problem(choice)})",
                hint="`qcode sandbox verify` says what a sandbox would take, or leave out offline",
            )
        if not self.has_person:
            raise none_works(choice)

    def contacts(self) -> list[tuple[str, bool]]:
        """Return the hosts that were asked for through the proxy, and whether they were reached."""
        return self.sandbox.contacts()

    def inside(self, real: Path) -> bool:
        """Whether a path lies in one of the roots."""
        return self.workspace.contains(real)

    def hidden(self, real: Path) -> str:
        """Why a path is not to be read, or nothing."""
        return self._hidden.reason(real) if self.sandbox.policy.level.confines else ""

    def protected(self, written: str) -> str:
        """Why a path is not to be written to, or nothing."""
        path = Path(self.workspace.root, written)
        return self._protected.reason(path) or self._protected.reason(
            self.workspace.resolve(written)
        )

    def writable(self, real: Path) -> bool:
        """Whether a path lies where the policy lets things be written."""
        policy = self.sandbox.policy
        if policy.level is Level.READ_ONLY:
            return False
        return self.workspace.contains(real) or any(
            real == top or top in real.parents for top in policy.caches
        )

    def beyond(self, grant: Grant) -> Grant:
        """Return what of a wish the policy does not give already.

        Raises:
            ToolError: it is for what nobody may allow.
        """
        policy = self.sandbox.policy
        if policy.is_offline and grant.network:
            raise ToolError("access cannot be network: this session is offline, and stays so.")
        if not policy.level.confines or not self.confines:
            return Grant()
        write = tuple(
            path for path in grant.write if not self.writable(Path(path)) or self.protected(path)
        )
        read = tuple(path for path in grant.read if self.hidden(Path(path)))
        network = grant.network and policy.network is not Network.ON
        return Grant(network, write, read, grant.everything)


_NETWORK = {
    Network.OFF: "no network",
    Network.PROXY: "listed hosts alone",
    Network.ON: "open network",
}
