#!/usr/bin/env bash
# `npm run demo`: sets up what is missing, then shows the edge at work and ends by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
exec node scripts/demo.mjs
