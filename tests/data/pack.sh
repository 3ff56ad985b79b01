#!/bin/sh
# Packs the golden directory into the archives beside this script: pack.sh GOLDEN_DIR
#
# The same directory gives the same bytes (GNU tar, zstd 1.5). See README.md.
set -eu
export LC_ALL=C
[ $# -eq 1 ] || { echo "usage: pack.sh GOLDEN_DIR" >&2; exit 2; }
golden=$1
here=$(cd "$(dirname "$0")" && pwd)

# pack NAME DIRECTORY PATH...: the paths, relative to the directory, as golden-NAME.tar.zst
pack() {
    to=$here/golden-$1.tar.zst
    from=$2
    shift 2
    tar --create --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
        --mode='u=rwX,go=rX' --directory="$from" "$@" \
        | zstd -19 --long=25 --threads=1 --force --quiet -o "$to"
}

pack brokers "$golden/brokers" 2.8.2 3.9.2 4.3.1
pack write "$golden/write" .
pack recovery "$golden/recovery" .
pack dump "$golden/dump" .
cp "$golden/kafka-written-300-records-fixture.tar" "$here/kafka-written-300-records-fixture.tar"
chmod 644 "$here/kafka-written-300-records-fixture.tar"
ls -l "$here"
