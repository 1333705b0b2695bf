"""Which tier confines here: the best one in which a trial shows that it does."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from qcode.record import Record
from qcode.sandbox.canary import Probe, Starts, probe
from qcode.sandbox.policy import Limits, Network, Tier
from qcode.sandbox.unavailable import Unavailable

LINUX = (Tier.BUBBLEWRAP, Tier.NAMESPACES, Tier.LANDLOCK)
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")

_RESTRICTED = (
    "the system restricts user namespaces: load AppArmor's profile for /usr/bin/bwrap"
    " (bwrap-userns-restrict, in the package apparmor-profiles)"
)
_USED_UP = "no more user namespaces may be made: raise `sysctl user.max_user_namespaces`"
_MASKED = (
    "this container masks /proc: start it with /proc unmasked, or give `--sandbox external` if"
    " the container itself is the boundary"
)
_ROOT_WITHOUT = (
    "root needs the capability CAP_SETFCAP to make user namespaces: give it to the container, or"
    " be an ordinary user in it"
)
_FORBIDDEN = (
    "namespaces are not allowed here: in a container, allow them in its seccomp profile, or give"
    " `--sandbox external` if the container itself is the boundary"
)
_ADVICE = (
    (r"uid map: Permission denied|RTM_NEWADDR|apparmor", _RESTRICTED),
    (r"No space left on device|max_user_namespaces|ENOSPC", _USED_UP),
    (r"uid map: Operation not permitted", _ROOT_WITHOUT),
    (r"[Mm]ount proc|mounting proc", _MASKED),
    (r"namespace.*(not permitted|denied)|No permissions to", _FORBIDDEN),
)


class Attempt(Record):
    """A tier that was tried and not taken."""

    tier: Tier
    why: str
    advice: str = ""
    """What a person can do about it; empty if nothing is known."""
    probes: tuple[Probe, ...] = ()


class Choice(Record):
    """The tier that commands run in."""

    tier: Tier
    starter: Starts
    probes: tuple[Probe, ...] = ()
    """What the trial showed; empty where there is none."""
    attempts: tuple[Attempt, ...] = ()
    """Better tiers that were tried before."""


def choose(
    wanted: Tier | None,
    *,
    network: Network,
    scratch: Path,
    roots: Sequence[str] = (),
    seen: Sequence[str] = (),
    path: str = "",
    temp_bytes: int = Limits().temp_bytes,
    container: Callable[[Tier], Starts] | None = None,
) -> Choice:
    """Start the tier that is wanted, or else the best that confines here.

    Without a wish the last resort is `Tier.NONE`: whether that will do is for the caller to say.

    Args:
        wanted: The only one to be tried.
        network: What commands may reach.
        scratch: An existing directory for the trial, better not below /tmp.
        roots: Where commands may write: no program of a tier is taken from there, and they
            are readable wherever they lie.
        seen: What else is readable wherever it lies.
        path: A PATH to look for programs in.
        temp_bytes: How large the private temporary directory may be, where one limit holds for all.
        container: Makes a container engine's tier; needed to want one.

    Raises:
        Unavailable: the one that is wanted does not confine here.
    """
    attempts: list[Attempt] = []
    for tier in (wanted,) if wanted else _candidates():
        starter: Starts | None = None
        try:
            starter = _started(
                tier,
                network=network,
                roots=roots,
                seen=seen,
                path=path,
                temp_bytes=temp_bytes,
                container=container,
            )
            probes = _trial(tier, starter, scratch, network)
        except (OSError, Unavailable) as error:
            why, probes = str(error), ()
        else:
            why = "; ".join(
                f"not true: {each.what}" + (f" ({each.why})" if each.why else "")
                for each in probes
                if not each.ok
            )
            if not why:
                return Choice(tier, starter, probes, tuple(attempts))
        if starter is not None:
            starter.close()
        attempts.append(Attempt(tier, why, advice(why), probes))
        if wanted:
            hint = f"; {attempts[-1].advice}" if attempts[-1].advice else ""
            raise Unavailable(f"{tier}: {why}{hint}")
    return Choice(Tier.NONE, unconfined(), (), tuple(attempts))


def unconfined() -> Starts:
    """Return what starts processes that are ended as a whole, but not confined."""
    if sys.platform != "linux":
        from qcode.sandbox.plain import Plain

        return Plain()
    from qcode.sandbox.fork_server import ForkServer

    return ForkServer(Tier.NONE, network=Network.ON, temp_bytes=Limits().temp_bytes)


def advice(why: str) -> str:
    """Say what can be done about a reason for which a tier is not available."""
    with suppress(OSError):
        if "denied" in why and _APPARMOR.read_text(encoding="ascii").strip() == "1":
            return _RESTRICTED
    return next((words for pattern, words in _ADVICE if re.search(pattern, why)), "")


def _candidates() -> tuple[Tier, ...]:
    if sys.platform == "darwin":
        return (Tier.SEATBELT,)
    return LINUX if sys.platform == "linux" else ()


def _trial(tier: Tier, starter: Starts, scratch: Path, network: Network) -> tuple[Probe, ...]:
    if tier in (Tier.NONE, Tier.DOCKER, Tier.PODMAN):  # containers see what they were made with
        return ()
    probes = probe(tier, starter, scratch=scratch, network=network)
    if network is Network.PROXY and tier in LINUX:
        starter.listen(0).close()
    return probes


def _started(
    tier: Tier,
    *,
    network: Network,
    roots: Sequence[str],
    seen: Sequence[str],
    path: str,
    temp_bytes: int,
    container: Callable[[Tier], Starts] | None,
) -> Starts:
    if tier is Tier.LANDLOCK and network is Network.PROXY:
        raise Unavailable("this tier cannot let processes reach a proxy alone")
    match tier:
        case Tier.BUBBLEWRAP:
            from qcode.sandbox.bubblewrap import Bubblewrap, find

            return Bubblewrap(find(roots, path), seen=(*roots, *seen))
        case Tier.SEATBELT:
            from qcode.sandbox.seatbelt import Seatbelt

            return Seatbelt()
        case Tier.DOCKER | Tier.PODMAN:
            if container is None:
                raise Unavailable("it needs an image to run in (`sandbox_image`)")
            return container(tier)
        case _:
            from qcode.sandbox.fork_server import ForkServer

            return ForkServer(tier, network=network, temp_bytes=temp_bytes, seen=(*roots, *seen))
