#!/usr/bin/env bash
# Installs the client programs that tests drive, where that is possible without asking: Debian, as root.
# Elsewhere it says what will be left out. Installs only what is missing, so a second run does nothing.
set -u

missing=()
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2")
}
need sftp openssh-client
need sshd openssh-server
need lftp lftp
need ncftpput ncftp
need curl curl
need python3 python3
need rclone rclone
need sshfs sshfs
need git git
need openssl openssl
need psftp putty-tools
need dbclient dropbear-bin
need fio fio
need chromium chromium
need redis-server redis-server
need haproxy haproxy
need mariadbd mariadb-server
[ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || missing+=(postgresql)
need_python() { # need_python MODULE PACKAGE
  for python in python3 /usr/bin/python3; do
    "$python" -W ignore -c "import $1" >/dev/null 2>&1 && return
  done
  missing+=("$2")
}
need_python paramiko python3-paramiko
need_python asyncssh python3-asyncssh

[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  # The machine's own services stay as they are: what is installed here is started by the tests alone.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -qq
  if apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
    echo "installed for the tests: ${missing[*]}"
    exit 0
  fi
  echo "could not install: ${missing[*]}" >&2
fi

echo "not installed: ${missing[*]}. Checks that need them are left out here, and fail when CI is set."
exit 0
