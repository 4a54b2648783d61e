#!/bin/sh
# check_packages.sh ROOT - the package list is well formed and ./dev reads it without installing.

set -eu
cd "$1"
wrong=$(grep -vE '^(#.*)?$|^(build|test|bench|lint)  *[a-z0-9.+-]+( +#.*)?$' \
    build-aux/packages.txt || true)
if [ -n "$wrong" ]; then
    echo "lines that no group of ./dev setup reads:"
    echo "$wrong"
    exit 1
fi
double=$(sed -nE 's/^(build|test|bench|lint) +([^ ]+).*/\2/p' build-aux/packages.txt | sort | uniq -d)
[ -z "$double" ] || { echo "listed twice: $double"; exit 1; }
./dev help >/dev/null
if ./dev no-such-command >/dev/null 2>&1; then
    echo "./dev takes an unknown command"
    exit 1
fi
echo "the package list is well formed"
