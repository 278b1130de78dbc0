# http.sh PORT PATH TEXT: healthy if this container answers an HTTP request with a text.
set -eu
exec 3<>"/dev/tcp/$(hostname -i | cut -d' ' -f1)/$1"
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
grep -qF -- "$3" <&3
