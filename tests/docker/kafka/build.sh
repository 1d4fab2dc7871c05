#!/bin/sh
# Build the image voicemon-kafka:local without pulling anything: sh tests/docker/kafka/build.sh [DEBIAN-MIRROR]
# Needs root (debootstrap), a Docker engine, and jars that `voicemon stack up` has fetched before.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
jars=$(ls -dt "${VOICEMON_LOCAL_CACHE_DIR:-$HOME/.cache/voicemon}"/kafka-*/ | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. /etc/os-release
debootstrap --variant=minbase --include=default-jre-headless "$VERSION_CODENAME" "$work/rootfs" ${1:+"$1"}
tar -C "$work/rootfs" --exclude=./var/cache/apt/archives --exclude=./var/lib/apt/lists -cf "$work/rootfs.tar" .
cp -r "$jars" "$work/jars"
cp "$here/Dockerfile" "$here/start.sh" "$here/../../../deploy/local/kafka/log4j2.xml" "$work"
rm -rf "$work/rootfs"
docker build -t voicemon-kafka:local "$work"
