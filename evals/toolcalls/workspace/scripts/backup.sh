#!/bin/sh
# Copies the books to a folder named by date.
set -eu
mkdir -p "build/$(date +%F)"
cp data/*.json "build/$(date +%F)/"
