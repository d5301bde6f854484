# Sourced by scripts/gpu.sh: unpacks .carry/, each archive once.
expand() { # by xz, or by Python where there is none
  if command -v xz > /dev/null; then xz -dc "$1"; else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"; fi
}
unpack() { # archive, command that takes what is in it
  local archive=$1 mark
  [ -f ".carry/$archive" ] || return 0
  mark=$(cksum < ".carry/$archive")
  [ "$(cat "build/unpacked/$archive" 2> /dev/null)" = "$mark" ] && return 0
  shift
  mkdir -p build/unpacked build/bin
  expand ".carry/$archive" | "$@" && echo "$mark" > "build/unpacked/$archive" && echo "unpacked $archive"
}
as_node() { cat > build/bin/node && chmod +x build/bin/node; }

# what the machine has of its own stays as it is
if ! command -v node > /dev/null; then unpack node.xz as_node; fi
[ -x build/bin/node ] && PATH=$PATH:$PWD/build/bin
if [ ! -d node_modules/typescript ]; then
  unpack node_modules.tar.xz tar -xf -
  unpack dist.tar.xz tar -xf -
fi
[ -f build/CMakeCache.txt ] || unpack binaries.tar.xz tar -xf -
