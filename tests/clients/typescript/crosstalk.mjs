//! Many clients of one server, of all kinds, whose requests bear the same ids at the same time: each must get what is its
//! own, and nothing else. Prints one line.
import assert from 'node:assert/strict';
import * as typescript1 from './old.mjs';
import * as typescript2 from './new.mjs';
import { broken } from './transports.mjs';

const CLIENTS = 32;
const CALLS = 100;
const SLOTS = 4;
const WITHIN_MS = 60_000;
const KINDS = [
    [typescript1, 'http', 'legacy'],
    [typescript2, 'http', 'modern'],
    [typescript2, 'http', 'legacy'],
    [typescript1, 'sse', 'legacy'],
    [typescript2, 'http', 'modern'],
    [typescript2, 'sse', 'modern'],
    [typescript1, 'http', 'legacy'],
    [typescript2, 'sse', 'legacy'],
];
let doing = 'connect';
const line = 'cross-talk http+sse mixed equal-ids';
/// Whatever has been asked before, from here on all requests bear the same ids.
const FIRST_ID = 20;

setTimeout(() => end('FAILED', `${doing}: not done within ${WITHIN_MS} ms`), WITHIN_MS);

function end(outcome, more) {
    console.log(outcome === 'ok' ? `ok ${line} ${more}` : `FAILED ${line}: ${more}`);
    process.exit();
}

class Agent {
    constructor(at) {
        this.at = at;
        this.name = `crosstalk-${at}`;
        this.key = `crosstalk/${at}`;
        this.astray = [];
    }

    async connect() {
        const [sdk, transport, era] = KINDS[this.at % KINDS.length];
        this.session = await sdk.connect({ transport, era, headers: {}, astray: (uri) => this.astray.push(uri) });
        const { transport: wire } = this.session;
        const send = wire.send.bind(wire);
        wire.send = (message, options) => {
            if (message.method === 'tools/call') this.lastId = message.id;
            return send(message, options);
        };
        return this;
    }

    async done(tool, args, options) {
        const answer = await this.session.call(tool, args, options);
        assert.ok(!answer.isError, `${tool}: ${answer.content[0].text}`);
        assert.equal(JSON.stringify(answer.structuredContent), answer.content[0].text);
        return answer.structuredContent;
    }

    async prepare() {
        this.id = (await this.done('register_instance', { name: this.name })).instance.id;
        for (let slot = 0; slot < SLOTS; slot += 1) {
            await this.done('set_context', { key: `${this.key}/${slot}`, value: this.own(slot) });
        }
        while (this.lastId < FIRST_ID) await this.done('get_context', { key: `${this.key}/0` });
    }

    own(slot) {
        return { of: this.name, slot, padding: String(this.at).repeat(100) };
    }

    async readOwn(round) {
        const key = `${this.key}/${round % SLOTS}`;
        const entry = await this.done('get_context', { key });
        assert.deepEqual([entry.key, entry.value], [key, this.own(round % SLOTS)], `${this.name} got what is not its own`);
    }

    /// Resolves, once the wait is known to have begun, to a way to its messages.
    async waitForOwn() {
        let begun;
        const first = new Promise((resolve) => { begun = resolve; });
        const answer = this.done('wait_for_message', { timeout_seconds: 50, instance_id: this.id }, { onprogress: begun });
        await Promise.race([first, answer]);
        return async () => {
            const { messages } = await answer;
            assert.deepEqual(messages.map(({ content }) => content), [`for ${this.name}`]);
        };
    }

    async followOwn() {
        const updated = new Promise((resolve) => { this.updated = resolve; });
        const stop = await this.session.follow(`orchestrator://context/${this.key}/0`, this.updated);
        return async () => {
            await updated;
            await stop();
        };
    }
}

const every = (agents, work) => Promise.all(agents.map(work));

try {
    const agents = await every(Array.from({ length: CLIENTS }, (_, at) => new Agent(at)), (agent) => agent.connect());
    doing = 'prepare';
    await every(agents, (agent) => agent.prepare());
    doing = 'calls with equal ids';
    for (let round = 0; round < CALLS; round += 1) {
        await every(agents, (agent) => agent.readOwn(round));
        assert.deepEqual([...new Set(agents.map(({ lastId }) => lastId))], [FIRST_ID + 1 + round], 'ids differ');
    }

    doing = 'waits, begun by their first progress';
    const [first] = agents;
    const waits = await every(agents, (agent) => agent.waitForOwn());
    for (const agent of agents.toReversed()) {
        await first.done('send_message', { to_instance: agent.id, content: `for ${agent.name}` });
    }
    await every(waits, (messages) => messages());

    doing = 'follow resources';
    const follows = await every(agents, (agent) => agent.followOwn());
    await every(agents, (agent) => agent.done('set_context', { key: `${agent.key}/0`, value: 'changed' }));
    await every(follows, (updated) => updated());

    doing = 'close';
    await every(agents, async ({ session }) => {
        await session.transport.terminateSession?.();
        await session.client.close();
    });
    assert.deepEqual(agents.flatMap(({ astray }) => astray), [], 'updates of what was not followed');
    assert.deepEqual(broken, []);
    end('ok', `${CLIENTS * CALLS} calls`);
} catch (error) {
    console.error(error);
    end('FAILED', `${doing}: ${error.message ?? error}`.replaceAll('\n', ' ').slice(0, 300));
}
