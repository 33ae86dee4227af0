#!/bin/sh
# Stands in for nvcc where Rust code that needs CUDA kernels is checked without CUDA: every file
# that nvcc would write is there, and empty.
set -eu
output='' folder='' source=''
while [ $# -gt 0 ]; do
  case $1 in
    --version) echo 'Cuda compilation tools, release 13.0, V13.0.0' && exit ;;
    -o) output=$2 && shift ;;
    --output-directory) folder=$2 && shift ;;
    *.cu) source=$1 ;;
  esac
  shift
done
if [ -n "$folder" ]; then
  name=${source##*/}
  output=$folder/${name%.cu}.ptx
fi
[ -z "$output" ] || : > "$output"
