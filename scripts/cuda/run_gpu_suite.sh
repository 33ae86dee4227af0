#!/bin/sh
# The GPU suite, from the folder that it lies in: needs a GPU and its driver, no cargo and no network.
# Exit code 0 when everything passed. compute-sanitizer checks the memory of the kernels where there is
# one. cuBLASLt is looked for as docs/cuda.md says.
set -u
cd "$(dirname "$0")" || exit 1
TGI_TESTS=$PWD/tests
export TGI_TESTS
failed=0

part() {
  name=$1
  shift
  echo "== $name"
  if "$@"; then echo "== $name: ok"; else echo "== $name: FAILED"; failed=1; fi
}

part "tests of the backend" ./backend --test-threads=1
if command -v compute-sanitizer >/dev/null; then
  part "memory" compute-sanitizer --tool memcheck --error-exitcode 1 ./backend --test-threads=1 steps::
  part "races" compute-sanitizer --tool racecheck --error-exitcode 1 ./backend --test-threads=1 steps::
fi
for model in "$@"; do
  part "figures of $model" ./tgi-bench --backend cuda --random "$model" \
    -p 1024 -n 128 -s 1,8,32,64 --stream-prompt 1000 --chunk 2048 -r 3
done
exit "$failed"
