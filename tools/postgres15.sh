#!/bin/sh
# The oldest PostgreSQL that is supported, from Debian. Prints its bin directory. Root gets it installed.
set -eu
bin=/usr/lib/postgresql/15/bin
command="apt-get update && apt-get install -y --no-install-recommends postgresql-15"
if [ ! -x "$bin/postgres" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "PostgreSQL 15 is needed. Install it with:  sudo sh -c '$command'" >&2
        exit 1
    fi
    echo "Installing PostgreSQL 15: $command" >&2
    # No cluster of Debian's own is wanted: the suite makes one and removes it.
    mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
    sh -c "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; $command" > /dev/null
fi
echo "$bin"
