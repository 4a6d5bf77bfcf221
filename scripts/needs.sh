#!/bin/sh
# Installs what the tests need on Debian or Ubuntu as root; elsewhere says what is missing.
set -eu

missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v zbarimg >/dev/null 2>&1 || missing="$missing zbar-tools"
# The race detector needs a C compiler.
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
# Stores are tested on a private server; ls finds Debian's, which is on no path.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null 2>&1 || missing="$missing postgresql"
if ! fc-list :lang=ja 2>/dev/null | grep -q .; then missing="$missing fonts-noto-cjk fontconfig"; fi

if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "installing:$missing"
		apt-get update -qq
		case "$missing" in
		*postgresql*) # its binaries are all that is needed: no cluster is made and no server started
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
			sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
			;;
		esac
		# shellcheck disable=SC2086 # a list of words on purpose
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	else
		echo "make test needs these first (Debian names):$missing" >&2
		exit 1
	fi
fi

for dir in test/*/; do
	[ -f "$dir/package-lock.json" ] || continue
	if [ "$dir/package-lock.json" -nt "$dir/node_modules/.package-lock.json" ] || [ ! -d "$dir/node_modules" ]; then
		(cd "$dir" && npm ci --no-audit --no-fund --loglevel=error)
	fi
done
