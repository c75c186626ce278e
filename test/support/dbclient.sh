#!/bin/sh
# Takes the arguments that OpenSSH's sftp and scp give to ssh, and gives dropbear's client those that it knows.
set -f
subsystem=
while [ $# -gt 0 ]; do
  case $1 in
    -oPort*) port=${1#-oPort?} ;;
    -oUser*) user=${1#-oUser?} ;;
    -p) port=$2; shift ;;
    -l) user=$2; shift ;;
    -F | -o) shift ;;
    -s) subsystem=-s ;;
    --) shift; break ;;
  esac
  shift
done
host=${1#*@}
[ "$host" = "$1" ] || user=${1%@*}
shift
DROPBEAR_PASSWORD=$TEST_PASSWORD exec DBCLIENT -y -y -T -p "$port" -l "$user" $subsystem "$host" "$@"
