"""The environment of the processes that qcode starts: a list of what is handed on, no secrets."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from qcode.sandbox.patterns import below
from qcode.sandbox.policy import Policy, Tier
from qcode.secrets import looks_secret

SHORTEST_SECRET = 6
"""Characters; a shorter value is no key and stands in too much by chance."""

_PASSED = frozenset(
    {
        # who and where
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TZ", "TZDIR", "LANG", "LANGUAGE",
        "COLORTERM", "COLUMNS", "LINES", "HOSTNAME", "CI", "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS",
        # compilers and builds
        "CC", "CXX", "CPP", "LD", "AR", "AS", "NM", "RANLIB", "STRIP", "FC", "CFLAGS", "CXXFLAGS",
        "CPPFLAGS", "LDFLAGS", "FFLAGS", "LDLIBS", "MAKEFLAGS", "MAKE", "CPATH",
        "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG", "PKG_CONFIG_PATH",
        "PKG_CONFIG_LIBDIR", "CMAKE_PREFIX_PATH", "CMAKE_GENERATOR", "CMAKE_BUILD_TYPE",
        "CMAKE_BUILD_PARALLEL_LEVEL", "CMAKE_TOOLCHAIN_FILE", "CTEST_OUTPUT_ON_FAILURE",
        "CTEST_PARALLEL_LEVEL", "MESON_TESTTHREADS", "NINJA_STATUS", "SOURCE_DATE_EPOCH",
        "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "DEVELOPER_DIR", "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TOKENIZERS_PARALLELISM",
        "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "ROCM_PATH", "LLVM_CONFIG",
        "CCACHE_DIR", "SCCACHE_DIR", "QT_QPA_PLATFORM",
        # languages
        "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE",
        "PYTHONWARNINGS", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONDEVMODE", "PYTHONTRACEMALLOC",
        "PYTHONFAULTHANDLER", "PYTHONSAFEPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE",
        "PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE", "PYTHONMALLOC", "PYTHONASYNCIODEBUG",
        "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PIPENV_VENV_IN_PROJECT", "POETRY_HOME",
        "POETRY_VIRTUALENVS_IN_PROJECT", "POETRY_VIRTUALENVS_PATH", "UV_PYTHON", "UV_CACHE_DIR",
        "UV_LINK_MODE", "UV_OFFLINE", "UV_PROJECT_ENVIRONMENT", "PIP_CACHE_DIR", "WORKON_HOME",
        "DJANGO_SETTINGS_MODULE", "FLASK_APP",
        "NODE_ENV", "NODE_PATH", "NODE_VERSION", "NODE_OPTIONS", "npm_config_cache",
        "YARN_CACHE_FOLDER", "COREPACK_HOME", "PNPM_HOME", "BUN_INSTALL", "DENO_DIR",
        "DENO_INSTALL", "VOLTA_HOME", "FNM_DIR", "N_PREFIX",
        "GOPATH", "GOROOT", "GOFLAGS", "GOBIN", "GOCACHE", "GOMODCACHE", "GOPROXY", "GONOPROXY",
        "GOPRIVATE", "GONOSUMDB", "GOSUMDB", "GOOS", "GOARCH", "GOTOOLCHAIN", "GO111MODULE",
        "CGO_ENABLED", "GOMAXPROCS", "GOEXPERIMENT",
        "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "CARGO_BUILD_JOBS",
        "CARGO_NET_OFFLINE", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "RUSTDOCFLAGS",
        "RUSTC_WRAPPER", "RUST_BACKTRACE", "RUST_LOG", "RUST_TEST_THREADS",
        "JAVA_HOME", "JDK_HOME", "JRE_HOME", "JAVA_OPTS", "JDK_JAVA_OPTIONS", "MAVEN_HOME",
        "M2_HOME", "MAVEN_OPTS", "GRADLE_HOME", "GRADLE_USER_HOME", "GRADLE_OPTS", "SBT_OPTS",
        "KOTLIN_HOME", "SCALA_HOME", "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_NDK_HOME",
        "SDKMAN_DIR", "DOTNET_ROOT", "DOTNET_CLI_HOME", "DOTNET_NOLOGO", "NUGET_PACKAGES",
        "GEM_HOME", "GEM_PATH", "BUNDLE_PATH", "BUNDLE_GEMFILE", "RAILS_ENV", "RACK_ENV",
        "RBENV_ROOT", "RBENV_VERSION", "PERL5LIB", "PERL_LOCAL_LIB_ROOT", "COMPOSER_HOME",
        "COMPOSER_CACHE_DIR", "ERL_LIBS", "MIX_ENV", "MIX_HOME", "HEX_HOME",
        "STACK_ROOT", "CABAL_DIR", "OPAM_SWITCH_PREFIX", "OPAMROOT", "CAML_LD_LIBRARY_PATH",
        "OCAML_TOPLEVEL_PATH", "JULIA_DEPOT_PATH", "JULIA_PROJECT", "R_HOME", "R_LIBS",
        "R_LIBS_USER", "ZIG_GLOBAL_CACHE_DIR", "LUA_PATH", "LUA_CPATH", "NIX_PATH", "NIX_PROFILES",
        "NIX_SSL_CERT_FILE", "GUIX_PROFILE", "HOMEBREW_PREFIX", "HOMEBREW_CELLAR",
        "HOMEBREW_REPOSITORY", "MANPATH", "INFOPATH", "EMSDK", "FLUTTER_ROOT", "PUB_CACHE",
        # what git says of whoever commits
        "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE", "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE", "GIT_CONFIG_NOSYSTEM", "EMAIL",
        # certificates and the way out, which the sandbox decides on anyway
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    }
)  # fmt: skip
_PASSED_STARTS = (
    "LC_", "CONDA_", "PYENV_", "NVM_", "ASDF_", "MISE_", "RBENV_", "CARGO_PROFILE_",
    "CARGO_TARGET_", "CC_", "CXX_", "CFLAGS_", "CXXFLAGS_", "HYPOTHESIS_",
)  # fmt: skip
_FORCED = {
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",  # with stdin closed an editor would hang or fail
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INPUT": "1",
    "PYTHONUNBUFFERED": "1",
}
_ASKPASS_MAC = "/usr/bin/false"


def child_environment(
    environ: Mapping[str, str],
    *,
    policy: Policy,
    tier: Tier,
    temp: str = "",
    caches: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    secrets: Collection[str] = (),
) -> dict[str, str]:
    """Return what a command gets: variables on the list, and those a person named.

    A variable that looks like a secret is left out unless a person named it
    (`policy.env_pass`); one in `drop`, or with one of `secrets` in its value, is left
    out in any case. `caches` are the private ones of `Confining.cache_environment`.
    CI is not set: it makes warnings errors and snapshots unwritable, so that a command
    does something else here than in the person's terminal.
    """
    kept = kept_variables(environ, policy.env_pass, drop=drop, secrets=secrets)
    if "PATH" in kept:
        kept["PATH"] = ordered_path(
            kept["PATH"],
            [str(root) for root in policy.roots],
            [place for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if (place := kept.get(name))],
        )
    if tier in (Tier.BUBBLEWRAP, Tier.NAMESPACES, Tier.DOCKER, Tier.PODMAN):
        kept["TMPDIR"] = "/tmp"
    elif tier in (Tier.LANDLOCK, Tier.SEATBELT) and temp:
        kept["TMPDIR"] = temp
    elif "TMPDIR" in environ:
        kept["TMPDIR"] = environ["TMPDIR"]
    if tier is not Tier.NONE:
        kept |= caches or {}
        kept["QCODE_SANDBOX"] = "1"
    return kept | _forced()


def own_environment(environ: Mapping[str, str], roots: Collection[Path]) -> dict[str, str]:
    """Return an environment without secrets, and with no programs from the roots in PATH.

    For what qcode runs for itself: whoever starts it says in variables what is wanted.
    """
    tops = [str(root) for root in roots]
    kept = {
        name: value
        for name, value in environ.items()
        if not looks_secret(name, value) and not _is_exported_function(value)
    }
    if "PATH" in kept:
        kept["PATH"] = ":".join(p for p in kept["PATH"].split(":") if _is_outside(p, tops))
    return kept


def kept_variables(
    environ: Mapping[str, str],
    named: Collection[str],
    *,
    drop: Collection[str] = (),
    secrets: Collection[str] = (),
) -> dict[str, str]:
    """Return the variables that are handed on as they are."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]

    def is_kept(name: str, value: str) -> bool:
        if name in drop or any(secret in value for secret in known):
            return False
        if name in named:
            return True
        is_listed = name in _PASSED or name.startswith(_PASSED_STARTS)
        return is_listed and not looks_secret(name, value) and not _is_exported_function(value)

    return {name: value for name, value in environ.items() if is_kept(name, value)}


def ordered_path(path: str, roots: Collection[str], active: Collection[str] = ()) -> str:
    """Return PATH with what a project could put programs into at its end.

    An environment of Python's that a person activated stays where it is.
    """
    entries = [entry for entry in path.split(":") if entry]
    last = [
        entry
        for entry in entries
        if not _is_outside(entry, roots)
        and not any(below(os.path.normpath(entry), place) for place in active)
    ]
    return ":".join(
        [*(e for e in entries if e not in last), *(e for e in last if os.path.isabs(e))]
    )


def _is_outside(entry: str, roots: Collection[str]) -> bool:
    if not os.path.isabs(entry):
        return False
    real = os.path.realpath(entry)
    return not any(below(form, root) for form in (real, os.path.normpath(entry)) for root in roots)


def _is_exported_function(value: str) -> bool:
    """Whether a shell would make a function of it, whatever its name."""
    return value.startswith("() {")


def _forced() -> dict[str, str]:
    if os.path.exists("/bin/false"):
        return _FORCED
    return {**_FORCED, "GIT_ASKPASS": _ASKPASS_MAC, "SSH_ASKPASS": _ASKPASS_MAC}
