# Formats the storage at the first start, then replaces this process by the broker, so that the broker gets the signals.
set -euo pipefail
properties=/etc/tandem/server.properties
# A small heap, the serial collector, and only the quick compiler: it takes a third off the start and leaves the
# processors to the job.
java=(java -Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError
  -Dlog4j2.configurationFile=/etc/tandem/log4j2.properties -cp '/opt/kafka/libs/*')
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
  cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  # In one word, because an id may begin with a dash and would look like an option.
  "${java[@]}" kafka.tools.StorageTool format "--cluster-id=$cluster" -c "$properties"
fi
exec "${java[@]}" kafka.Kafka "$properties" \
  --override "advertised.listeners=BROKER://kafka:9092,HOST://127.0.0.1:$HOST_PORT"
