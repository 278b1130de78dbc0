# Healthy if the answer to a metadata request names a broker; the port is open earlier.
# Kafka's own tools would start a Java process for each check.
set -eu
exec 3<>/dev/tcp/127.0.0.1/9092
# size 15; Metadata, version 5; correlation 7; no client id; 0 topics; create none
printf '\x00\x00\x00\x0f\x00\x03\x00\x05\x00\x00\x00\x07\xff\xff\x00\x00\x00\x00\x00' >&3
# size, correlation, throttle, number of brokers
answer=$(head -c 16 <&3 | od -An -v -tx1 | tr -d ' \n')
[ "${answer:8:8}" = 00000007 ] && [ "${answer:24:8}" != 00000000 ]
