#!/bin/bash
# Builds the image of deploy/Dockerfile without a registry, and runs it: not as root, on a root file system that cannot
# be written to. The base image is Debian with the node and npm of this machine. As root, after `npm run build`:
#   apt-get install buildah debootstrap && bash bench/serve-image.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
buildah() { command buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }
finish() {
  buildah rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

echo '# base image'
debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$work/debian" >"$work/debootstrap.log"
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
mkdir -p "$work/debian/usr/lib/node_modules"
cp "$(readlink -f "$(command -v node)")" "$work/debian/usr/bin/node"
cp -a "$npm" "$work/debian/usr/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/debian/usr/bin/npm"
cp /etc/ssl/certs/ca-certificates.crt "$work/debian/etc/ssl/certs/"
base=$(buildah from scratch)
buildah add -q "$base" "$work/debian" / >/dev/null
buildah config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$base"
buildah commit -q --rm "$base" node:20-bookworm >/dev/null
buildah tag node:20-bookworm node:20-bookworm-slim

echo '# package, with the addon that was built here'
mkdir -p "$work/package/prebuilds/linux-x64" "$work/packed"
(cd "$root" && git ls-files lib native cuda data deploy docs CMakeLists.txt package.json README.md LICENSE | tar cf - -T - dist/lib) | tar xf - -C "$work/package"
cp "$root/build/Release/weft.node" "$work/package/prebuilds/linux-x64/weftjs.glibc.node"
(cd "$work/package" && npm pack --silent --ignore-scripts --pack-destination "$work/packed" >/dev/null)

echo '# image'
file=$(basename "$work"/packed/*.tgz)
buildah bud --isolation chroot --network host --pull-never --format docker -v "$work/packed:/packed:ro" \
  --build-arg "WEFTJS=/packed/$file" -t weft "$root/deploy" | grep -E 'STEP|check|device'

echo '# server'
node -e "import('$root/dist/lib/index.js').then(({ sequential, layers }) => sequential([layers.dense({ units: 2, inputShape: [3] })]).save('$work/models/first/1'))"
chmod -R a+rX "$work/models"
container=$(buildah from --pull-never localhost/weft)
mounted=$(buildah mount "$container")
mkdir "$mounted/models"
cat >"$work/run.sh" <<RUN
mount --make-rprivate / && mount --bind $mounted $mounted && mount --bind $work/models $mounted/models
mount -o remount,ro,bind $mounted/models && mount -t proc proc $mounted/proc && mount -o remount,ro,bind $mounted
exec chroot --userspec=1000:1000 $mounted /usr/bin/env -i PATH=/usr/bin:/bin NODE_ENV=production sh -c 'touch /x 2>/dev/null && exit 9
  exec node /app/node_modules/weftjs/dist/lib/cli/weftjs.js serve /models --host 0.0.0.0 --http 18080 --grpc 19000 --control watch --drain-ms 500 --insecure'
RUN
unshare -m bash "$work/run.sh" &
server=$!
for _ in $(seq 100); do curl -sf localhost:18080/v2/health/ready >/dev/null && break || sleep 0.1; done
echo "user $(stat -c %u /proc/$server)"
curl -sSf localhost:18080/v2/models/first/infer -d '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}'
kill -TERM $server
code=0
wait $server || code=$?
echo; echo "exit code $code"
exit $code
