//! A server that is told to end while clients of all kinds wait: each call gets its answer, and the server ends well. Prints
//! one line.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import * as typescript1 from './old.mjs';
import * as typescript2 from './new.mjs';

const WITHIN_MS = 30_000;
const KINDS = [
    [typescript1, 'http', 'legacy'],
    [typescript2, 'http', 'legacy'],
    [typescript2, 'http', 'modern'],
    [typescript1, 'sse', 'legacy'],
    [typescript2, 'sse', 'legacy'],
    [typescript2, 'sse', 'modern'],
];
let doing = 'connect';
const line = 'server-ends http+sse mixed waits';

const state = `${process.env.ORCH_STATE}-ending`;
const server = spawn(process.env.ORCH_BINARY, ['--state-dir', state, 'serve', '--http', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
});
const late = setTimeout(() => end('FAILED', `${doing}: not done within ${WITHIN_MS} ms`), WITHIN_MS);

function end(outcome, more) {
    clearTimeout(late);
    server.kill('SIGKILL');
    console.log(outcome === 'ok' ? `ok ${line} ${more}` : `FAILED ${line}: ${more}`);
    process.exit();
}

/// The server says where it listens.
function listening() {
    return new Promise((resolve, reject) => {
        server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
        createInterface({ input: server.stdout }).on('line', (said) => {
            console.error(said);
            const url = said.match(/http:\/\/127\.0\.0\.1:\d+/);
            if (url) resolve(url[0]);
        });
    });
}

/// Resolves, once the wait is known to have begun, to a way to its answer.
async function wait([sdk, transport, era], at) {
    const session = await sdk.connect({ transport, era, headers: {} });
    const { structuredContent } = await session.call('register_instance', { name: `waits-${at}` });
    const args = { timeout_seconds: 60, instance_id: structuredContent.instance.id };
    let begun;
    const first = new Promise((resolve) => { begun = resolve; });
    const answer = session.call('wait_for_message', args, { onprogress: begun });
    await Promise.race([first, answer]);
    return async () => {
        const { isError, structuredContent } = await answer;
        assert.ok(!isError && structuredContent.timed_out, `${transport} ${era}: ${JSON.stringify(structuredContent)}`);
    };
}

try {
    process.env.ORCH_URL = await listening();
    process.env.ORCH_TOKEN_FILE = `${state}/owner.token`;
    doing = 'waits, begun by their first progress';
    const answers = await Promise.all(KINDS.map(wait));
    doing = 'the end';
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    const told = await Promise.allSettled(answers.map((answer) => answer()));
    const failed = told.flatMap(({ reason }, at) => (reason ? [`${KINDS[at].slice(1).join(' ')}: ${reason.message}`] : []));
    assert.deepEqual(failed, []);
    assert.deepEqual(await ended, [0, null]);
    end('ok', `${KINDS.length} waits`);
} catch (error) {
    console.error(error);
    end('FAILED', `${doing}: ${error.message ?? error}`.replaceAll('\n', ' ').slice(0, 300));
}
