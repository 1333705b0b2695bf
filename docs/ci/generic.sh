#!/bin/sh
# Any runner: installs qcode beside the work, runs a task, and says what its exit code means.
# Usage: TASK="mend the tests" VERIFY="make test" sh generic.sh [more arguments of qcode run]
set -eu

: "${TASK:?say what to do in TASK}"
VERIFY="${VERIFY:-auto}"
OUT="${OUT:-qcode-out}"
if [ -z "${QCODE_PROGRAM:-}" ]; then
  home="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/qcode-ci"
  [ -x "$home/bin/qcode" ] || {
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet "qcode-agent${QCODE_VERSION:+==$QCODE_VERSION}"
  }
  QCODE_PROGRAM="$home/bin/qcode"
fi
mkdir -p "$OUT"
code=0
printf '%s' "$TASK" | "$QCODE_PROGRAM" run -y --verify "$VERIFY" --report "$OUT/report.json" \
  --junit "$OUT/junit.xml" --patch "$OUT/change.patch" "$@" - || code=$?
case $code in
  0) echo "proven: every verification passes" ;;
  1) echo "not proven: a verification fails, or the agent gave up" ;;
  2) echo "wrong usage or configuration" ;;
  3) echo "the model's endpoint failed" ;;
  4) echo "a budget was reached; the work so far is kept" ;;
  5) echo "no sandbox can be had here" ;;
  6) echo "a protected file was changed, or the tests got around; it is put back" ;;
  *) echo "interrupted" ;;
esac >&2
exit "$code"
