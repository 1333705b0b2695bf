#!/usr/bin/env bash
# Refuses jobs that would give secrets to code of strangers, and settings that make no sense.
set -euo pipefail

if [[ "$EVENT" == pull_request_target && "$ALLOWED" != true ]]; then
  echo "qcode: pull_request_target gives this job secrets and a token that can write, and the code" \
    "may be a stranger's; use pull_request, or set allow-pull-request-target once you know why" >&2
  exit 2
fi
case "$RESULT" in
  none | patch | branch | pull-request | comment) ;;
  *)
    echo "qcode: result has to be none, patch, branch, pull-request or comment" >&2
    exit 2
    ;;
esac
# Ubuntu 24.04 keeps programs from making user namespaces; bubblewrap has a profile that may.
if [[ "${RUNNER_OS:-}" == Linux ]] && ! command -v bwrap >/dev/null &&
  [[ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null || echo 0)" == 1 ]]; then
  echo "qcode: the sandbox may fall back to Landlock here; 'sudo apt-get install -y bubblewrap'" \
    "in a step before gives it mounts" >&2
fi
