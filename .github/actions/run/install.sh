#!/usr/bin/env bash
# Installs qcode outside of the workspace, so that nothing in the repository can be taken for it.
set -euo pipefail

home="$HOME/.cache/qcode-action"
top="$(cd "$KIT/../../.." && pwd)"
cd /
if [[ ! -x "$home/bin/qcode" ]]; then
  python -m venv "$home"
  if [[ "$VERSION" == source ]]; then
    "$home/bin/python" -m pip install --quiet --require-hashes --only-binary :all: \
      -r "$top/constraints.txt"
    "$home/bin/python" -m pip install --quiet --no-deps --no-build-isolation "$top"
  elif [[ "$VERSION" =~ ^[0-9]+(\.[0-9]+)*([a-z]+[0-9]*)?$ ]]; then
    "$home/bin/python" -m pip install --quiet "qcode-agent==$VERSION"
  else
    echo "qcode: '$VERSION' is no version; name a release, or say 'source'" >&2
    exit 2
  fi
fi
"$home/bin/qcode" --version
