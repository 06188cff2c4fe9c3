// The first server lists all that the second lists and the fixtures besides; the second has none of them, listed or not.

import { readFileSync } from "node:fs";

const REVISION = "2026-07-28";

// What the suite calls by name.
const FIXTURE =
  /^(test_\w+|json_schema_2020_12_tool|greet|slow_compute|failing_job|protocol_error_job|confirm_delete|multi_input|test:.*)$/;

async function request({ url, token }, method, params = {}, name = undefined) {
  const protocol = "io.modelcontextprotocol";
  const meta = {
    [`${protocol}/protocolVersion`]: REVISION,
    [`${protocol}/clientInfo`]: { name: "names", version: "1" },
    [`${protocol}/clientCapabilities`]: {},
  };
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    Authorization: `Bearer ${token}`,
    "MCP-Protocol-Version": REVISION,
    "Mcp-Method": method,
    ...(name && { "Mcp-Name": name }),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } });
  const text = await (await fetch(url, { method: "POST", headers, body })).text();
  const data = text.startsWith("{") ? [text] : text.split("\n").flatMap((line) => line.match(/^data: *(\{.*)$/)?.[1] ?? []);
  return data.map((message) => JSON.parse(message)).find((message) => message.id === 1);
}

async function listed(server) {
  const list = async (method, field, name) => (await request(server, method)).result[field].map((one) => one[name]);
  return {
    tools: await list("tools/list", "tools", "name"),
    prompts: await list("prompts/list", "prompts", "name"),
    resources: await list("resources/list", "resources", "uri"),
    templates: await list("resources/templates/list", "resourceTemplates", "uriTemplate"),
  };
}

const server = (url, file) => ({ url, token: readFileSync(file, "utf8").trim() });
const withFixtures = server(process.argv[2], process.env.FIXTURES_TOKEN_FILE);
const shipped = server(process.argv[3], process.env.SHIPPED_TOKEN_FILE);
const [all, own] = [await listed(withFixtures), await listed(shipped)];
const wrong = [];
let fixtures = 0;
for (const kind of Object.keys(all)) {
  const added = all[kind].filter((name) => !own[kind].includes(name));
  fixtures += added.length;
  if (added.length === 0) wrong.push(`there are no fixtures among the ${kind}`);
  wrong.push(...own[kind].filter((name) => !all[kind].includes(name)).map((name) => `the fixtures hide ${name}`));
  wrong.push(...own[kind].filter((name) => FIXTURE.test(name)).map((name) => `what is shipped lists ${name}`));
  wrong.push(...added.filter((name) => !FIXTURE.test(name)).map((name) => `${name} is no name of the suite's`));
}
const refused = async (method, params, name) => {
  const answer = await request(shipped, method, params, name);
  if (answer?.error?.code !== -32602) wrong.push(`what is shipped answers ${method} of ${name}: ${JSON.stringify(answer)}`);
};
const { extensions, logging } = (await request(shipped, "server/discover")).result.capabilities;
if (extensions || logging) wrong.push(`what is shipped can do more than it should: ${JSON.stringify({ extensions, logging })}`);
for (const name of all.tools.filter((name) => FIXTURE.test(name))) await refused("tools/call", { name, arguments: {} }, name);
for (const name of all.prompts.filter((name) => FIXTURE.test(name))) await refused("prompts/get", { name }, name);
for (const uri of all.resources.filter((uri) => FIXTURE.test(uri))) await refused("resources/read", { uri }, uri);

for (const line of wrong) console.error(line);
console.log(`${fixtures} fixtures, none of them in what is shipped: ${wrong.length} wrong`);
process.exitCode = wrong.length === 0 ? 0 : 1;
