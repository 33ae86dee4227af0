# Runs a command where there is nothing but it: no network but loopback, an empty home, a read-only
# working folder, a folder for temporary files of its own, no capabilities.
#
#   unshare -rnm sh box.sh FOLDER TEMPORARY_OPTIONS LIMIT COMMAND...
#
# FOLDER holds home, work and tmp. TEMPORARY_OPTIONS are mount options of tmp ("size=64m,noexec").
# LIMIT is `ulimit -d` in KiB, or "unlimited".
set -eu
folder=$1 temporary=$2 limit=$3
shift 3
ip link set lo up 2>/dev/null || python3 - <<'UP'
import fcntl, socket, struct
request = struct.pack("16sh", b"lo", 0x1)  # IFF_UP
fcntl.ioctl(socket.socket(), 0x8914, request)  # SIOCSIFFLAGS
UP
mount -t tmpfs -o ro,size=4k tmpfs "$folder/work"
mount -t tmpfs -o size=64m tmpfs "$folder/home"
mount -t tmpfs -o "$temporary" tmpfs "$folder/tmp"
cd "$folder/work"
ulimit -d "$limit"
exec env -i PATH=/usr/bin:/bin HOME="$folder/home" TMPDIR="$folder/tmp" NO_COLOR=1 \
  setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
