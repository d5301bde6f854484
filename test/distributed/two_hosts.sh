#!/bin/sh
# Two hosts, 'a' and 'b', where there is one machine: network namespaces with host names of their own, on one bridge,
# and a third where the command is started. An agent takes the place of ssh. Everything is private to this script's
# own namespaces, and is gone when they are. Usage, as root: two_hosts.sh <command> [arguments]
set -eu
if [ "${WEFT_TWO_HOSTS:-}" != inside ]; then
  WEFT_TWO_HOSTS=inside exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi
unset WEFT_TWO_HOSTS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '127.0.0.1 localhost\n10.77.0.1 a\n10.77.0.2 b\n10.77.0.9 login\n' >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
hostname login
ip link set lo up
ip link add br0 type bridge
ip addr add 10.77.0.9/24 dev br0
ip link set br0 up
for host in a:1 b:2; do
  name=${host%:*}
  ip netns add "$name"
  ip link add "to-$name" type veth peer name eth0 netns "$name"
  ip link set "to-$name" master br0 up
  ip -n "$name" addr add "10.77.0.${host#*:}/24" dev eth0
  ip -n "$name" link set lo up
  ip -n "$name" link set eth0 up
done
# as ssh: a host, and words that its shell reads; nothing of the environment goes there
cat >"$folder/agent" <<'EOF'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts env -i PATH="$PATH" HOME="$HOME" SHELL=/bin/sh sh -c "hostname $host; $*"
EOF
chmod +x "$folder/agent"
# agents of Open MPI 4, Open MPI 5 and MPICH
export OMPI_MCA_plm_rsh_agent="$folder/agent" PRTE_MCA_plm_ssh_agent="$folder/agent" HYDRA_LAUNCHER_EXEC="$folder/agent"
"$@"
