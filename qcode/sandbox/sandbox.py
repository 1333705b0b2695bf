"""The sandbox of a session: everything that it runs is started here."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from qcode.errors import SandboxError
from qcode.network import guard as network_guard
from qcode.network import ledger
from qcode.record import Record
from qcode.sandbox.blocked import Block, blocked
from qcode.sandbox.child import Child
from qcode.sandbox.guarded import Guarded
from qcode.sandbox.launching import Purpose
from qcode.sandbox.policy import Confinement, Grant, Network, Policy, Tier
from qcode.sandbox.unavailable import Unavailable

if TYPE_CHECKING:
    from qcode.sandbox.canary import Starts
    from qcode.sandbox.choose import Choice
    from qcode.sandbox.confinement import Confining
    from qcode.sandbox.guard import Guard
    from qcode.sandbox.proxy import Proxy

PROXY_PORT = 3128
NETWORK_PURPOSE = "command"
"""What connections of commands are for (`qcode.network`)."""
_ATTEMPTS = 3
"""So often a process is started whose paths something else moves in that moment."""


class Places(Record):
    """Where qcode keeps its things; not for commands to see or change."""

    config: Path
    state: Path
    cache: Path


class Sandbox:
    """Starts what a session runs, each process confined as the policy and a grant say.

    The means are looked for when the first process is started.
    """

    def __init__(
        self,
        policy: Policy,
        places: Places,
        environ: Mapping[str, str],
        *,
        wanted: Tier | None = None,
        image: str = "",
        drop: Collection[str] = (),
        secrets: Collection[str] = (),
    ) -> None:
        """Prepare it; `drop` and `secrets` are variables and values that no process gets."""
        self.policy = policy
        self._places = places
        self._environ = environ
        self._wanted = wanted
        self._image = image
        self._drop = drop
        self._secrets = secrets
        self._lock = threading.RLock()
        self._choice: Choice | None = None
        self._refusal: SandboxError | None = None
        self._starters: dict[tuple[Tier, bool], Starts] = {}
        self._confining: Confining | None = None
        self._guard: Guard | None = None
        self._environment: dict[str, str] | None = None
        self._proxy: Proxy | None = None
        self._contacts: list[tuple[str, bool]] = []
        self._is_shared = False
        self._looks: Tier | None = None
        self._last: Tier | None = None
        """The means of before it was closed."""
        self._children: WeakSet[Guarded] = WeakSet()
        self._temp = ""

    # What there is.

    @property
    def tier(self) -> Tier:
        """By which means processes are confined here.

        Raises:
            SandboxError: one was asked for that does not work here.
        """
        return self.choice.tier if self.policy.level.confines else Tier.NONE

    @property
    def known_tier(self) -> Tier:
        """The same without trying anything anew once it was closed, for whoever tells of it."""
        if self._choice is None and self._last is not None:
            return self._last
        return self.tier

    @property
    def choice(self) -> Choice:
        """Which means work here, and why others do not; they are tried at the first call.

        Raises:
            SandboxError: one was asked for that does not work here, or the workspace is a
                place in which nothing can be kept safe.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if self._choice is None:
                try:
                    _ = self.confining  # refuses some places
                    self._choice = self._choose(self._wanted, self.policy.network)
                except SandboxError as error:
                    self._refusal = error
                    raise
                self._starters[self._key(self._choice.tier, self.policy.network)] = (
                    self._choice.starter
                )
            return self._choice

    @staticmethod
    def _key(tier: Tier, network: Network) -> tuple[Tier, bool]:
        # A server of namespaces has one network for all; other tiers make one for each process.
        return tier, network is Network.ON and tier is Tier.NAMESPACES

    def _choose(self, tier: Tier | None, network: Network) -> Choice:
        from qcode.sandbox.choose import choose
        from qcode.sandbox.toolchains import toolchains

        roots = [str(root) for root in self.policy.roots]
        scratch = self._places.cache / "sandbox"
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            return choose(
                tier,
                network=network,
                scratch=scratch,
                roots=roots,
                seen=(*toolchains(self._environ, roots), *map(str, self.policy.lent)),
                path=self._environ.get("PATH", ""),
                temp_bytes=self.policy.limits.temp_bytes,
                container=self._container,
            )
        except Unavailable as error:
            raise SandboxError(f"the sandbox asked for cannot be had: {error}") from error
        except OSError as error:
            raise SandboxError(f"the sandbox cannot be tried: {error}") from error

    def _container(self, tier: Tier) -> Starts:
        from qcode.sandbox.container import Container, find

        if not self._image:
            raise Unavailable("it needs an image to run in: set `sandbox_image`")
        roots = [str(root) for root in self.policy.roots]
        program = find(tier, roots, self._environ.get("PATH", ""))
        return Container(tier, program, self._image, roots=roots, environ=self._environ)

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands get as their environment."""
        with self._lock:
            if self._environment is None:
                from qcode.sandbox.environment import child_environment

                tier = self.tier
                confines = tier is not Tier.NONE
                self._environment = child_environment(
                    self._environ,
                    policy=self.policy,
                    tier=tier,
                    temp=self.temp if confines else "",
                    caches=self.confining.cache_environment(self._environ) if confines else None,
                    drop=self._drop,
                    secrets=self._secrets,
                )
            return self._environment

    @property
    def temp(self) -> str:
        """The session's private directory for temporary files."""
        with self._lock:
            if not self._temp:
                self._temp = os.path.realpath(tempfile.mkdtemp(prefix="qcode-"))
            return self._temp

    @property
    def confining(self) -> Confining:
        """What the policy comes to for a process that is started now.

        Raises:
            SandboxError: the workspace is a place in which nothing can be kept safe.
        """
        with self._lock:
            if self._confining is None:
                from qcode.sandbox.confinement import Confining

                self._confining = Confining(
                    self.policy,
                    config_dir=self._places.config,
                    state_dir=self._places.state,
                    cache_dir=self._places.cache,
                    temp=self.temp,
                )
            return self._confining

    def contacts(self) -> list[tuple[str, bool]]:
        """Return the hosts that were asked for through the proxy, and whether they were reached."""
        with self._lock:
            now = self._proxy.contacts() if self._proxy is not None else ()
            named = ((f"{contact.host}:{contact.port}", not contact.refused) for contact, _ in now)
            return list(dict.fromkeys((*self._contacts, *named)))

    # Starting.

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        purpose: Purpose = Purpose.COMMAND,
        grant: Grant | None = None,
    ) -> Child:
        """Start a program, confined as the policy, the purpose and the grant say.

        Raises:
            OSError: there is no such program or directory, or the system is out of something.
            SandboxError: it cannot be confined as it has to be.
        """
        streams = (stdin, stdout, stderr)
        tier = self.tier
        self._check_offline(tier, grant, purpose)
        if tier is Tier.NONE or (grant is not None and grant.everything):
            open_to_all = Confinement(network=Network.ON)
            if purpose is not Purpose.LOOK:
                ledger.unseen(NETWORK_PURPOSE)
            return self._start(Tier.NONE, argv, cwd, env, open_to_all, streams)
        if purpose is Purpose.LOOK:
            looks = self._look_tier(tier)
            return self._confined(looks, argv, cwd, env, self._sight(grant), streams)[0]
        guard = self._guard_of()
        snapshot = guard.before(grant, mounted=tier is not Tier.LANDLOCK)
        try:
            if purpose is Purpose.JOB or self.policy.network is Network.PROXY:
                self._share_network(tier)
            made_out = partial(self.confining.now, grant)
            child, confinement = self._confined(tier, argv, cwd, env, made_out, streams)
        except BaseException:
            guard.after(snapshot)
            raise
        if confinement.network is Network.ON:
            ledger.unseen(NETWORK_PURPOSE)
        guarded = Guarded(child, confinement, str(cwd), lambda: guard.after(snapshot))
        self._children.add(guarded)
        return guarded

    def _check_offline(self, tier: Tier, grant: Grant | None, purpose: Purpose) -> None:
        """Raise SandboxError where a process would reach the network that must not.

        Offline is said by the policy, or by another session of this process, for which it holds.
        """
        if not self.policy.is_offline:
            if purpose is Purpose.LOOK or not network_guard.is_offline():
                return
            if self.policy.network is not Network.OFF:
                raise SandboxError(
                    "another session of this process turned offline on, and this one's commands "
                    "have the network",
                    hint="open it anew",
                )
        if tier is Tier.NONE:
            raise SandboxError(
                "offline, and nothing here keeps a program from the network, so none is started",
                hint="`qcode sandbox verify` says what a sandbox would take",
            )
        if grant is not None and (grant.network or grant.everything):
            raise SandboxError("offline: no program gets the network", hint="leave out offline")

    def _look_tier(self, tier: Tier) -> Tier:
        """Return the tier for qcode's own programs: the quickest, as they are many and short.

        Namespaces without bubblewrap's help cost a third of it, and confine as much.
        """
        if tier is not Tier.BUBBLEWRAP or self._wanted is not None:
            return tier
        with self._lock:
            if self._looks is None:
                try:
                    self._starter(Tier.NAMESPACES, Network.OFF)
                    self._looks = Tier.NAMESPACES
                except SandboxError:
                    self._looks = tier
            return self._looks

    def _sight(self, grant: Grant | None) -> Callable[[], Confinement]:
        """Return what qcode's own programs are confined to; they may write to what is granted."""
        writes = grant.write if grant is not None else ()
        return lambda: self.confining.now(grant, read_only=True, extra_write=writes)

    def _confined(
        self,
        tier: Tier,
        argv: Sequence[str],
        cwd: Path | str,
        env: Mapping[str, str] | None,
        made_out: Callable[[], Confinement],
        streams: tuple[int, int, int],
    ) -> tuple[Child, Confinement]:
        from qcode.sandbox.bubblewrap_arguments import MovedError

        for left in reversed(range(_ATTEMPTS)):
            confinement = made_out()
            try:
                return self._start(tier, argv, cwd, env, confinement, streams), confinement
            except Unavailable as error:
                if left and isinstance(error, MovedError):
                    continue
                raise SandboxError(f"the command could not be confined: {error}") from error
        raise AssertionError("not reached")

    def _start(
        self,
        tier: Tier,
        argv: Sequence[str],
        cwd: Path | str,
        env: Mapping[str, str] | None,
        confinement: Confinement,
        streams: tuple[int, int, int],
    ) -> Child:
        stdin, stdout, stderr = streams
        env = self.environment if env is None else env
        if self._proxy is not None and confinement.network is Network.PROXY:
            env = {**env, **self._proxy.environment()}
        return self._starter(tier, confinement.network).start(
            [_program(argv[0], env), *argv[1:]],
            cwd=str(cwd),
            env=env,
            confinement=confinement,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def _starter(self, tier: Tier, network: Network) -> Starts:
        with self._lock:
            key = self._key(tier, network)
            if key not in self._starters:
                if tier is Tier.NONE:
                    from qcode.sandbox.choose import unconfined

                    self._starters[key] = unconfined()
                else:
                    self._starters[key] = self._choose(tier, network).starter
            return self._starters[key]

    def _guard_of(self) -> Guard:
        with self._lock:
            if self._guard is None:
                from qcode.sandbox.guard import Guard

                self._guard = Guard(
                    self.policy.roots, self.confining.look, state_dir=self._places.state
                )
            return self._guard

    def _share_network(self, tier: Tier) -> None:
        """Have all that is started from now on share one loopback, with the proxy on it if any."""
        with self._lock:
            if self._is_shared or tier not in (Tier.BUBBLEWRAP, Tier.NAMESPACES):
                return
            starter = self._starter(tier, self.policy.network)
            try:
                if self.policy.network is Network.PROXY:
                    from qcode.sandbox.hosts import parse
                    from qcode.sandbox.proxy import Proxy

                    rules = [parse(host) for host in self.policy.hosts]
                    self._proxy = Proxy(starter.listen(PROXY_PORT), rules)
                elif self.policy.network is Network.OFF:
                    starter.listen(0).close()
            except (OSError, Unavailable) as error:
                if self.policy.network is Network.PROXY:
                    raise SandboxError(f"the proxy cannot be had: {error}") from error
                return  # jobs then have a loopback each
            self._is_shared = True

    def blocked(self, child: Child, printed: str) -> tuple[Block, ...]:
        """Return what a child was kept from: as told by what it printed, and as found after it."""
        if not isinstance(child, Guarded):
            return ()
        found = [Block(violation.text) for violation in child.violations]
        found += blocked(printed, child.cwd, child.confinement)
        if self.policy.is_offline:  # nobody is asked about the network then
            found = [Block(one.what) if one.access == "network" else one for one in found]
        return tuple(found)

    def close(self) -> None:
        """End what still runs, and remove what was temporary; starting anew is possible."""
        with self._lock:
            for child in list(self._children):
                child.close()
            self._contacts = self.contacts()
            if self._proxy is not None:
                self._proxy.close()
            for starter in self._starters.values():
                starter.close()
            self._starters.clear()
            self._last = self._choice.tier if self._choice is not None else self._last
            self._choice = self._proxy = self._confining = self._guard = self._environment = None
            self._is_shared = False
            self._looks = None
            if self._temp:
                shutil.rmtree(self._temp, ignore_errors=True)
                self._temp = ""


def _program(name: str, env: Mapping[str, str]) -> str:
    """Return a program's path: what is looked up inside may be something else."""
    if "/" in name:
        return name
    found = shutil.which(name, path=env.get("PATH"))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return os.path.abspath(found)
