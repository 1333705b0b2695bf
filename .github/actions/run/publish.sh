#!/usr/bin/env bash
# Puts a proven change where it was asked for. Nothing is forced, and no branch but ours is touched.
set -euo pipefail

patch="$FOLDER/change.patch"
own=1
if [[ -n "${HEAD_REPOSITORY:-}" && "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]]; then
  own=0 # a fork's pull request: the token can only read, and the code is a stranger's
fi
case "$RESULT" in
  none | patch) exit 0 ;;
esac
if [[ "$own" == 0 ]]; then
  echo "qcode: this is about a fork, so nothing is pushed or commented; the patch is in the artifact" >&2
  exit 0
fi
if [[ -z "${GITHUB_TOKEN:-}" ]]; then
  echo "qcode: result '$RESULT' needs github-token" >&2
  exit 2
fi
if [[ "$RESULT" == comment ]]; then
  exec python "$KIT/comment.py" "$FOLDER/report.json"
fi
if [[ ! -s "$patch" ]]; then
  echo "qcode: nothing was changed, so there is no branch" >&2
  exit 0
fi
branch="qcode/run-${GITHUB_RUN_ID//[^0-9]/}-${GITHUB_RUN_ATTEMPT//[^0-9]/}"
cd -- "$WORK"
git checkout -q -b "$branch"
git add -A
git -c user.name=qcode -c user.email=qcode@users.noreply.github.com \
  commit -q -m "Changes of qcode, proven by the verification" \
  -m "Run $GITHUB_RUN_ID of $GITHUB_REPOSITORY"
# The token goes by the environment of this one command, not into the repository's configuration.
header="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 -w0)"
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraheader GIT_CONFIG_VALUE_0="$header" \
  git push -q "${QCODE_REMOTE:-origin}" "HEAD:refs/heads/$branch"
echo "branch=$branch" >>"$GITHUB_OUTPUT"
if [[ "$RESULT" == pull-request ]]; then
  python "$KIT/comment.py" "$FOLDER/report.json" "$branch"
fi
