//! One cell of the matrix: `scenario.mjs CLIENT TRANSPORT ERA IDENTITY` goes through all that an agent does, with a second
//! client beside it. Prints one line.
import assert from 'node:assert/strict';
import { broken, statuses } from './transports.mjs';

const [clientName, transport, era, identity] = process.argv.slice(2);
const { connect } = await import(clientName === 'typescript-1' ? './old.mjs' : './new.mjs');

const STEP_WITHIN_MS = 20_000;
const VERSIONS = { legacy: '2025-11-25', modern: '2026-07-28' };
const TOOLS = ['register_instance', 'push_task', 'claim_task', 'complete_task', 'send_message', 'wait_for_message'];
const INVALID_PARAMS = -32602;

const me = `${clientName}-${transport}-${era}-${identity}`;
const other = `${me}-other`;
const key = `clients/${me}`;
const line = `${clientName} ${transport} ${VERSIONS[era]} ${identity}`;

/// Answers over HTTP say that they are being worked on.
const tellsProgress = transport !== 'stdio';
let steps = 0;
let doing = 'start';

async function step(name, work) {
    doing = name;
    const deadline = AbortSignal.timeout(STEP_WITHIN_MS);
    const late = new Promise((_, reject) => {
        deadline.onabort = () => reject(new Error(`not done within ${STEP_WITHIN_MS} ms`));
    });
    const result = await Promise.race([work(), late]);
    steps += 1;
    return result;
}

/// A client and the way it says who it is: by its session, by an argument, or by a header.
async function join(name, identity, headers = {}) {
    if (identity === 'header') headers = { 'X-Instance-Name': name, 'X-Instance-Role': name };
    const session = await connect({ transport, era, headers });
    let id;
    const ask = async (tool, args = {}, options) => {
        const as = identity === 'argument' && id ? { instance_id: id } : {};
        const answer = await session.call(tool, { ...as, ...args }, options);
        assert.equal(JSON.stringify(answer.structuredContent), answer.content[0].text, `${tool}: text and structure differ`);
        return answer;
    };
    const done = async (tool, args, options) => {
        const answer = await ask(tool, args, options);
        assert.ok(!answer.isError, `${tool}: ${answer.content[0].text}`);
        return answer.structuredContent;
    };
    const refused = async (tool, args) => {
        const answer = await ask(tool, args);
        assert.ok(answer.isError, `${tool} was not refused: ${answer.content[0].text}`);
        return answer.structuredContent.error;
    };
    const register = async () => {
        if (identity !== 'header') {
            id = (await done('register_instance', { name, role: name })).instance.id;
            return id;
        }
        // The header registers; any call that acts shows it.
        await done('heartbeat');
        return (await done('get_instance', { instance: `@${name}` })).instance.id;
    };
    return { ...session, done, refused, register };
}

/// Begins a wait, and returns once the server is known to be at it.
async function beginWait(session, seconds, options = {}) {
    const told = [];
    let first;
    const begun = new Promise((resolve) => { first = resolve; });
    const onprogress = (progress) => {
        told.push(progress);
        first();
    };
    const answer = session.done('wait_for_message', { timeout_seconds: seconds }, { onprogress, timeout: STEP_WITHIN_MS, ...options });
    answer.catch(() => {});
    if (tellsProgress) {
        await Promise.race([answer, begun]);
        assert.ok(told.length > 0, 'no progress before the answer');
    }
    // Requests are taken up in the order of their arrival, so an answer to a later one says as much as progress does; and
    // nobody's wait keeps their other calls waiting.
    await session.done('server_status');
    return { answer, told };
}

async function scenario() {
    const one = await step('connect', async () => {
        const one = await join(me, identity);
        assert.equal(one.version, VERSIONS[era]);
        assert.equal(one.client.getServerVersion().name, 'orch-mcp');
        assert.match(one.client.getInstructions(), /register_instance/);
        assert.ok(one.client.getServerCapabilities().resources.subscribe);
        if (era === 'legacy') await one.client.ping();
        return one;
    });
    const { client } = one;

    await step('lists', async () => {
        const { tools } = await client.listTools();
        const names = tools.map((tool) => tool.name);
        assert.deepEqual(TOOLS.filter((name) => !names.includes(name)), []);
        assert.ok(tools.every((tool) => tool.inputSchema.type === 'object' && tool.annotations));
        assert.ok((await client.listResources()).resources.some(({ uri }) => uri === 'orch://events'));
        assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 4);
        assert.deepEqual((await client.listPrompts()).prompts.map(({ name }) => name), ['orchestrate-task', 'team-status', 'synthesize-job']);
    });

    const id = await step('register', () => one.register());
    const two = await step('a second client', async () => {
        const two = await join(other, transport === 'stdio' ? 'session' : 'header');
        assert.notEqual(await two.register(), id);
        return two;
    });

    if (identity === 'header') {
        await step('somebody who says whose id they speak for', async () => {
            const same = await join(me, 'id', { 'X-Orch-Instance': id });
            await same.done('send_message', { to_name: other, content: 'hello' });
            const { messages } = await two.done('poll_messages');
            assert.deepEqual(messages.map((mail) => mail.from.instance), [id]);
            await same.client.close();
        });
    }

    const taskId = await step('push, claim and complete a task', async () => {
        const pushed = await one.done('push_task', { title: `work of ${me}`, role: me });
        const claimed = await one.done('claim_task');
        assert.equal(claimed.task.id, pushed.task.id);
        assert.equal(claimed.task.holder, id);
        await one.done('complete_task', { task_id: pushed.task.id, result: 'it is done', token: claimed.task.token });
        const { task } = await two.done('get_task', { task_id: pushed.task.id });
        assert.deepEqual([task.status, task.result], ['completed', 'it is done']);
        return pushed.task.id;
    });

    await step('a message to oneself', async () => {
        await one.done('send_message', { to_instance: id, content: 'note to self: ü, 日本, \u{1f9f5}' });
        const { messages } = await one.done('poll_messages');
        assert.deepEqual(messages.map((mail) => [mail.content, mail.from.instance]), [['note to self: ü, 日本, \u{1f9f5}', id]]);
        assert.deepEqual((await one.done('poll_messages')).messages, []);
    });

    await step('a wait that the second client wakes', async () => {
        const { answer, told } = await beginWait(one, 15);
        await two.done('send_message', { to_name: me, content: 'wake up' });
        const mail = await answer;
        assert.equal(mail.timed_out, false);
        assert.deepEqual(mail.messages.map(({ content }) => content), ['wake up']);
        assert.ok(told.every(({ progress }, at) => at === 0 || progress > told[at - 1].progress), 'progress must rise');
    });

    await step('a wait for nothing', async () => {
        const { answer } = await beginWait(one, 1);
        assert.equal((await answer).timed_out, true);
    });

    await step('read resources', async () => {
        const { contents } = await client.readResource({ uri: `orch://task/${taskId}` });
        assert.equal(JSON.parse(contents[0].text).result, 'it is done');
        assert.equal(contents[0].mimeType, 'application/json');
        await one.done('set_context', { key, value: { written: 1 } });
        const entry = await client.readResource({ uri: `orchestrator://context/${key}` });
        assert.deepEqual(JSON.parse(entry.contents[0].text), { key, value: { written: 1 } });
        for (const uri of ['orch://task/999999', 'orch://nothing']) {
            await assert.rejects(client.readResource({ uri }), { code: one.missingResource });
        }
    });

    await step('follow a resource', async () => {
        let changed;
        const update = new Promise((resolve) => { changed = resolve; });
        const uri = `orchestrator://context/${key}`;
        const unfollow = await one.follow(uri, changed);
        await two.done('set_context', { key, value: { written: 2 } });
        await update;
        const entry = await client.readResource({ uri });
        assert.deepEqual(JSON.parse(entry.contents[0].text).value, { written: 2 });
        await unfollow();
    });

    await step('prompts', async () => {
        const asked = { name: 'orchestrate-task', arguments: { goal: `reach ${me}` } };
        const { messages } = await client.getPrompt(asked);
        assert.match(messages[0].content.text, new RegExp(`reach ${me}`));
        assert.match((await client.getPrompt({ name: 'team-status' })).messages[0].content.text, /Members \(\d+\)/);
        await assert.rejects(client.getPrompt({ name: 'orchestrate-task', arguments: {} }), { code: INVALID_PARAMS });
    });

    await step('completion', async () => {
        const complete = async (uri, name, value) =>
            (await client.complete({ ref: { type: 'ref/resource', uri }, argument: { name, value } })).completion.values;
        assert.deepEqual(await complete('orchestrator://context/{key}', 'key', key), [key]);
        assert.ok((await complete('orch://inbox/{instance}', 'instance', `@${other}`)).includes(other));
    });

    await step('a cancelled wait, and calls after it', async () => {
        const cancel = new AbortController();
        const { answer } = await beginWait(one, 60, { signal: cancel.signal });
        cancel.abort();
        await assert.rejects(answer);
        // The wait must not take with it what is sent from now on.
        await two.done('send_message', { to_instance: id, content: 'after the wait' });
        const { messages } = await one.done('wait_for_message', { timeout_seconds: 15 }, { timeout: STEP_WITHIN_MS });
        assert.deepEqual(messages.map(({ content }) => content), ['after the wait']);
    });

    await step('errors are results that a model can read', async () => {
        const error = await one.refused('get_task', { task_id: 'task-999999' });
        assert.equal(error.code, 'not_found');
        assert.ok(error.message && error.hint);
        assert.equal((await one.refused('claim_task', { task_id: taskId })).code, 'conflict');
    });

    await step('bad arguments', async () => {
        assert.equal((await one.refused('push_task', { titel: 'x' })).code, 'invalid');
        assert.equal((await one.refused('push_task', { title: 7 })).code, 'invalid');
        assert.equal((await one.refused('get_task', {})).code, 'invalid');
        await assert.rejects(one.call('no_such_tool', {}), { code: INVALID_PARAMS });
    });

    await step('many calls at once', async () => {
        const keys = Array.from({ length: 20 }, (_, at) => `${key}/${at}`);
        await Promise.all(keys.map((key) => one.done('set_context', { key, value: key })));
        const entries = await Promise.all(keys.map((key) => one.done('get_context', { key })));
        assert.deepEqual(entries.map(({ value }) => value), keys);
    });

    if (transport !== 'stdio') {
        await step('a wrong token', async () => {
            const headers = { Authorization: 'Bearer orch_none_0000000000000000000000000000000000000000000000000000000000000000' };
            await assert.rejects(connect({ transport, era, headers }));
            // The second is for a machine from which many have been wrong.
            assert.ok(statuses.has(401) || statuses.has(429));
        });
    }

    await step('close', async () => {
        for (const session of [two, one]) {
            await session.done('unregister_instance');
            const child = session.transport._process;
            if (transport === 'http') await session.transport.terminateSession?.();
            await session.client.close();
            // A server that has to be killed did not see that its client is gone.
            if (child) assert.deepEqual([child.exitCode, child.signalCode], [0, null]);
        }
        assert.deepEqual(broken, []);
    });
}

try {
    await scenario();
    console.log(`ok ${line} ${steps} steps`);
} catch (error) {
    console.log(`FAILED ${line}: ${doing}: ${String(error.message ?? error).replaceAll('\n', ' ').slice(0, 300)}`);
    console.error(error);
}
process.exit();
