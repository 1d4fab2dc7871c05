#!/bin/sh
# Start Kafka with the properties that KAFKA_… variables name: KAFKA_NODE_ID=1 becomes node.id=1.
set -eu
home=/opt/kafka
mkdir -p /var/lib/kafka
{
    env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
        printf '%s=%s\n' "$(printf '%s' "$name" | tr 'A-Z_' 'a-z.')" "$value"
    done
    echo log.dirs=/var/lib/kafka
} > "$home/server.properties"
run() {
    java -cp "$home/jars/*" -Dvoicemon.log="$home/kafka.log" -Dlog4j2.configurationFile="$home/log4j2.xml" "$@"
}
run kafka.tools.StorageTool format --ignore-formatted -t voicemonTestCluster000 -c "$home/server.properties"
exec java -Xmx512m -cp "$home/jars/*" -Dvoicemon.log="$home/kafka.log" \
    -Dlog4j2.configurationFile="$home/log4j2.xml" kafka.Kafka "$home/server.properties"
