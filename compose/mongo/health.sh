# Healthy if mongod answers a hello command with ok: 1. mongosh would use a second of processor time for each check.
set -eu
exec 3<>/dev/tcp/127.0.0.1/27017
# OP_MSG of 52 bytes, request 7, {hello: 1, $db: "admin"}
printf '\x34\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00' >&3
printf '\x1f\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00' >&3
size=$(head -c 4 <&3 | od -An -v -tu4 | tr -d ' ')
head -c $((size - 4)) <&3 | od -An -v -tx1 | tr -d ' \n' | grep -q 016f6b00000000000000f03f
