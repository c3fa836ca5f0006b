#!/usr/bin/env bash
# Write constraints.txt: the newest versions of all that the project, its tests and its tools need.
#   scripts/lock.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${1:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip --disable-pip-version-check --quiet install --upgrade pip
"$venv/bin/python" -m pip --disable-pip-version-check --quiet install '.[server,tracing]' hatchling editables --group test --group tensorflow --group lint --group deploy --group fuzz --group mutants
{
  sed -n '/^#/p' constraints.txt
  "$venv/bin/python" -m pip freeze --all --exclude tffreeze --exclude setuptools | grep -E '^[A-Za-z0-9_.-]+==' | LC_ALL=C sort --ignore-case
} >"$venv/constraints.txt"
cp "$venv/constraints.txt" constraints.txt
