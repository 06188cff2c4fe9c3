// Loaded before the suite, which knows no tokens: each of its requests shows the one in the file that $TOKEN_FILE names.
//
// A proxy in between would do the same and hide how we treat what it tidies up: hosts, spaces around headers, streams.

import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";

const shown = `Bearer ${readFileSync(process.env.TOKEN_FILE, "utf8").trim()}`;

// `fetch`, and the undici that the suite brings along.
subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", shown));
subscribe("http.client.request.created", ({ request }) => request.setHeader("authorization", shown));
