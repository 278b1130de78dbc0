// Starts Mongoku with the address that `ui-setup` wrote. The password is read from its file here, so that
// `docker inspect` does not show it.
import { readFileSync } from "node:fs";

const { uri, password_file: file } = JSON.parse(readFileSync("/conf/mongoku.json", "utf-8"));
const password = file ? `:${encodeURIComponent(readFileSync(file, "utf-8").trim())}` : "";
process.env.MONGOKU_DEFAULT_HOST = uri.replace("@", () => `${password}@`);
await import("/app/build/index.js");
