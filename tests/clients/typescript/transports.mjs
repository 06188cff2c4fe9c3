//! How the server is reached: the same options for both majors of the SDK.
import { readFileSync } from 'node:fs';

/// All HTTP statuses that were sent, and those that no client should ever be sent.
export const statuses = new Set();
export const broken = [];

async function watchedFetch(url, init) {
    const answer = await fetch(url, init);
    statuses.add(answer.status);
    if (answer.status >= 500) {
        broken.push(`${init?.method ?? 'GET'} ${new URL(url).pathname}: ${answer.status}`);
    }
    return answer;
}

/// `wanted`: {transport, headers}; the rest is in the environment that `run` makes.
export function transportOf(Transports, wanted) {
    const { ORCH_BINARY, ORCH_STATE, ORCH_URL, ORCH_TOKEN_FILE } = process.env;
    const Transport = Transports[wanted.transport];
    if (wanted.transport === 'stdio') {
        return new Transport({ command: ORCH_BINARY, args: ['--state-dir', ORCH_STATE, 'serve'], stderr: 'inherit' });
    }
    const token = readFileSync(ORCH_TOKEN_FILE, 'utf8').trim();
    const headers = { Authorization: `Bearer ${token}`, ...wanted.headers };
    const path = wanted.transport === 'http' ? '/mcp' : '/sse';
    return new Transport(new URL(path, ORCH_URL), { requestInit: { headers }, fetch: watchedFetch });
}
