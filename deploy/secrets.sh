#!/bin/sh
# Makes the secrets that deploy/compose.yaml mounts, once, with random values. What is there stays as it is.
#   sh deploy/secrets.sh
# Files have mode 600. Containers run as other users than the one who starts this script, and compose mounts the files
# with the owner that they have: as root this gives them to user 10001, that of the worker's image; as somebody else it
# writes that user's number into deploy/.env, and compose runs worker and Grafana under it. ClickHouse starts as root and reads
# its two before it becomes another user.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
folder=${SECRETS_FOLDER:-$here/secrets}
dotenv=${SECRETS_ENV:-$here/.env}
mkdir -p "$folder"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# keep FILE TEXT: writes it under another name first, so that a run that is cut off leaves no half secret.
keep() {
    printf '%s' "$2" > "$folder/.$1.new"
    chmod 600 "$folder/.$1.new"
    if [ "$(id -u)" = 0 ]; then chown "$owner" "$folder/.$1.new"; fi
    mv "$folder/.$1.new" "$folder/$1"
    echo "made $folder/$1"
}

owner=10001:10001
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$folder"
else
    owner=$(id -u):$(id -g)
    touch "$dotenv"
    grep -q '^WORKER_USER=' "$dotenv" || echo "WORKER_USER=$owner" >> "$dotenv"
fi

for name in clickhouse_writer clickhouse_reader grafana_admin; do
    if [ -e "$folder/$name" ]; then echo "kept $folder/$name"; else keep "$name" "$(random)"; fi
done

if [ -e "$folder/web_tokens" ]; then
    echo "kept $folder/web_tokens"
else
    token=vm_$(random)
    hash=$(printf '%s' "$token" | { sha256sum 2> /dev/null || shasum -a 256; } | cut -d ' ' -f 1)
    keep web_tokens "$(printf '# NAME SCOPE SECRET\nstaff staff sha256:%s\n' "$hash")
"
    echo "The staff token, shown this once: $token"
fi
