# http.sh PORT PATH TEXT [ADDRESS]: healthy if an HTTP request is answered with a text. The default is the container's own
# address. White space in the answer does not count, and TEXT has none, because Podman splits arguments of health checks.
set -eu
address=${4:-$(hostname -i | cut -d' ' -f1)}
exec 3<>"/dev/tcp/$address/$1"
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
tr -d ' \r\n' <&3 | grep -qF -- "$3"
