#!/usr/bin/env bash
# Runs qcode on the task. All that comes from outside is in variables and never read by a shell
# as anything but words: each is one argument, whatever is in it.
set -euo pipefail

qcode="${QCODE_PROGRAM:-$HOME/.cache/qcode-action/bin/qcode}"
folder="$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/qcode-XXXXXXXX")"
args=(--approval-mode "$APPROVAL_MODE" -o json --report "$folder/report.json"
  --junit "$folder/junit.xml" --patch "$folder/change.patch")

# One argument a line: `--option`, then its value.
each() {
  local line
  while IFS= read -r line || [[ -n "$line" ]]; do
    line="${line%$'\r'}"
    if [[ -n "$line" ]]; then
      args+=("$1" "$line")
    fi
  done <<<"$2"
}
one() {
  if [[ -n "$2" ]]; then
    args+=("$1" "$2")
  fi
}
each --verify "$VERIFY"
each --protect "$PROTECT"
one --max-cost "$MAX_COST"
one --max-steps "$MAX_STEPS"
one --max-time "$MAX_TIME"
one --max-tokens "$MAX_TOKENS"
if [[ "$ATTEMPTS" != 1 ]]; then
  one --attempts "$ATTEMPTS"
fi
while IFS= read -r line || [[ -n "$line" ]]; do
  if [[ -n "$line" ]]; then
    args+=("$line")
  fi
done <<<"$EXTRA"

# Empty variables count as not set.
for name in QCODE_MODEL QCODE_BASE_URL QCODE_API_KEY; do
  if [[ -z "${!name:-}" ]]; then
    unset "$name"
  fi
done
if [[ -n "$TASK_FILE" ]]; then
  TASK="$(cat -- "$TASK_FILE")"
fi
cd -- "$WORK"
code=0
# By stdin: what strangers write is no argument, and `@file` in it is not followed.
printf '%s' "$TASK" | "$qcode" run "${args[@]}" - >"$folder/result.json" || code=$?

# Whatever stands in a value, it ends at a line that nobody can guess.
end="end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
put() {
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}
session="$(python - "$folder/result.json" <<'PYTHON'
import json, sys
try:
    print(json.load(open(sys.argv[1], encoding="utf-8"))["session_id"])
except (OSError, ValueError, KeyError, TypeError):
    print("")
PYTHON
)"
put exit-code "$code"
put folder "$folder"
put report "$folder/report.json"
put patch "$folder/change.patch"
put session-id "$session"
