#!/bin/sh
# The browser tests need Chromium. Root on Debian gets it installed; everybody else is told the command. Never skipped.
set -eu
for name in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    [ -n "$name" ] && [ -x "$name" ] && exit 0
done
command="apt-get update && apt-get install -y --no-install-recommends chromium"
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "Installing Chromium for the browser tests: $command"
    sh -c "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; $command" > /dev/null
    exit 0
fi
echo "The browser tests need Chromium. Install it with:  sudo sh -c '$command'" >&2
echo "or name an installed one:  CHROMIUM=/path/to/chromium make test" >&2
exit 1
