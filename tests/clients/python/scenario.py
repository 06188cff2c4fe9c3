"""One cell of the matrix: `scenario.py CLIENT TRANSPORT ERA IDENTITY` goes through all that an agent does, with a second
client beside it. Prints one line. The same steps as `../typescript/scenario.mjs`."""

import asyncio
import contextlib
import importlib
import json
import os
import pathlib
import sys
import tempfile
import traceback

import anyio

import reached

STEP_WITHIN_SECONDS = 20
VERSIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
TOOLS = {"register_instance", "push_task", "claim_task", "complete_task", "send_message", "wait_for_message"}
INVALID_PARAMS = -32602

client_name, transport, era, identity = sys.argv[1:]
sdk = importlib.import_module("old" if client_name == "python-1" else "new")

me = f"{client_name}-{transport}-{era}-{identity}"
other = f"{me}-other"
key = f"clients/{me}"
cell = f"{client_name} {transport} {VERSIONS[era]} {identity}"

# Answers over HTTP say that they are being worked on.
tells_progress = transport != "stdio"
steps = []


@contextlib.contextmanager
def step(name):
    steps.append(name)
    # A scope would have to end before what it opened.
    deadline = asyncio.get_running_loop().call_later(STEP_WITHIN_SECONDS, fail, "not done in time")
    yield
    deadline.cancel()


def end(line):
    print(line, flush=True)
    # Whatever else the SDK still waits for, the cell is over.
    sys.stderr.flush()
    os._exit(0)


def fail(why):
    end(f"FAILED {cell}: {(steps or ['start'])[-1]}: {why}".replace("\n", " ")[:400])


class Agent:
    """A client and the way it says who it is: by its session, by an argument, or by a header."""

    def __init__(self, session, name, identity):
        self.session = session
        self.name = name
        self.identity = identity
        self.id = None

    async def ask(self, tool, arguments, progress=None):
        who = {"instance_id": self.id} if self.identity == "argument" and self.id else {}
        answer = await self.session.call(tool, {**who, **arguments}, progress)
        assert json.loads(answer["content"][0]["text"]) == answer["structuredContent"], "text and structure differ"
        return answer

    async def done(self, tool, progress=None, **arguments):
        answer = await self.ask(tool, arguments, progress)
        assert not answer.get("isError"), answer["content"][0]["text"]
        return answer["structuredContent"]

    async def refused(self, tool, **arguments):
        answer = await self.ask(tool, arguments)
        assert answer.get("isError"), answer["content"][0]["text"]
        return answer["structuredContent"]["error"]

    async def register(self):
        if self.identity != "header":
            self.id = (await self.done("register_instance", name=self.name, role=self.name))["instance"]["id"]
            return self.id
        # The header registers; any call that acts shows it.
        await self.done("heartbeat")
        return (await self.done("get_instance", instance=f"@{self.name}"))["instance"]["id"]


@contextlib.asynccontextmanager
async def join(name, identity, exit_code=None, headers=None):
    if identity == "header":
        headers = {"X-Instance-Name": name, "X-Instance-Role": name}
    async with sdk.connect(transport, era, headers or {}, exit_code) as session:
        yield Agent(session, name, identity)


class Wait:
    """A wait that runs beside the scenario."""

    def __init__(self):
        self.told = []
        self.answer = None
        self.begun = anyio.Event()
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope()

    async def run(self, agent, seconds):
        async def told(progress, *_):
            self.told.append(progress)
            self.begun.set()

        with self.scope:
            self.answer = await agent.done("wait_for_message", told, timeout_seconds=seconds)
        self.begun.set()
        self.ended.set()

    async def mail(self):
        await self.ended.wait()
        assert self.told or not tells_progress, "no progress"
        assert self.told == sorted(set(self.told)), f"progress must rise: {self.told}"
        return [mail["content"] for mail in self.answer["messages"]]


async def begin_wait(beside, agent, seconds):
    wait = Wait()
    beside.start_soon(wait.run, agent, seconds)
    if tells_progress:
        await wait.begun.wait()
    # Requests are taken up in the order of their arrival, so an answer to a later one says as much as progress does; and
    # nobody's wait keeps their other calls waiting.
    await agent.done("server_status")
    return wait


@contextlib.asynccontextmanager
async def refused_with(code):
    try:
        yield
    except sdk.ProtocolError as error:
        assert error.error.code == code, error.error
    else:
        raise AssertionError("was not refused")


async def scenario(closing, exits):
    with step("connect"):
        one = await closing.enter_async_context(join(me, identity, exits / "one"))
        session = one.session
        assert session.version == VERSIONS[era], session.version
        assert session.about["serverInfo"]["name"] == "orch-mcp"
        assert "register_instance" in session.about["instructions"]
        assert session.about["capabilities"]["resources"]["subscribe"]
        if era == "legacy":
            await session.ping()

    with step("lists"):
        lists = await session.lists()
        assert TOOLS <= {tool["name"] for tool in lists["tools"]}
        assert all(tool["inputSchema"]["type"] == "object" and tool["annotations"] for tool in lists["tools"])
        assert "orch://events" in [resource["uri"] for resource in lists["resources"]]
        assert len(lists["resourceTemplates"]) == 4
        assert [prompt["name"] for prompt in lists["prompts"]] == ["orchestrate-task", "team-status", "synthesize-job"]

    with step("register"):
        id = await one.register()

    with step("a second client"):
        second = "session" if transport == "stdio" else "header"
        two = await closing.enter_async_context(join(other, second, exits / "two"))
        assert await two.register() != id

    if identity == "header":
        with step("somebody who says whose id they speak for"):
            async with join(me, "id", headers={"X-Orch-Instance": id}) as same:
                await same.done("send_message", to_name=other, content="hello")
                mail = (await two.done("poll_messages"))["messages"]
                assert [mail["from"]["instance"] for mail in mail] == [id]

    with step("push, claim and complete a task"):
        pushed = (await one.done("push_task", title=f"work of {me}", role=me))["task"]
        claimed = (await one.done("claim_task"))["task"]
        assert (claimed["id"], claimed["holder"]) == (pushed["id"], id)
        await one.done("complete_task", task_id=pushed["id"], result="it is done", token=claimed["token"])
        task = (await two.done("get_task", task_id=pushed["id"]))["task"]
        assert (task["status"], task["result"]) == ("completed", "it is done")

    with step("a message to oneself"):
        note = "note to self: ü, 日本, \U0001f9f5"
        await one.done("send_message", to_instance=id, content=note)
        mail = (await one.done("poll_messages"))["messages"]
        assert [(mail["content"], mail["from"]["instance"]) for mail in mail] == [(note, id)]
        assert (await one.done("poll_messages"))["messages"] == []

    async with anyio.create_task_group() as beside:
        with step("a wait that the second client wakes"):
            wait = await begin_wait(beside, one, 15)
            await two.done("send_message", to_name=me, content="wake up")
            assert await wait.mail() == ["wake up"]
            assert not wait.answer["timed_out"]

        with step("a wait for nothing"):
            wait = await begin_wait(beside, one, 1)
            assert await wait.mail() == []
            assert wait.answer["timed_out"]

    with step("read resources"):
        task = await session.read(f"orch://task/{task['id']}")
        assert task["mimeType"] == "application/json"
        assert json.loads(task["text"])["result"] == "it is done"
        await one.done("set_context", key=key, value={"written": 1})
        entry = await session.read(f"orchestrator://context/{key}")
        assert json.loads(entry["text"]) == {"key": key, "value": {"written": 1}}
        for uri in ["orch://task/999999", "orch://nothing"]:
            async with refused_with(sdk.MISSING_RESOURCE[era]):
                await session.read(uri)

    with step("follow a resource"):
        uri = f"orchestrator://context/{key}"
        async with session.follow(uri) as changed:
            await two.done("set_context", key=key, value={"written": 2})
            await changed()
            assert json.loads((await session.read(uri))["text"])["value"] == {"written": 2}

    with step("prompts"):
        assert f"reach {me}" in await session.prompt("orchestrate-task", {"goal": f"reach {me}"})
        assert "## Members" in await session.prompt("team-status")
        async with refused_with(INVALID_PARAMS):
            await session.prompt("orchestrate-task", {})

    with step("completion"):
        assert await session.complete("orchestrator://context/{key}", "key", key) == [key]
        assert other in await session.complete("orch://inbox/{instance}", "instance", f"@{other}")

    async with anyio.create_task_group() as beside:
        with step("a cancelled wait, and calls after it"):
            wait = await begin_wait(beside, one, 60)
            wait.scope.cancel()
            await wait.ended.wait()
            assert wait.scope.cancelled_caught
            # The wait must not take with it what is sent from now on.
            await two.done("send_message", to_instance=id, content="after the wait")
            mail = (await one.done("wait_for_message", timeout_seconds=15))["messages"]
            assert [mail["content"] for mail in mail] == ["after the wait"]

    with step("errors are results that a model can read"):
        error = await one.refused("get_task", task_id="task-999999")
        assert error["code"] == "not_found" and error["message"] and error["hint"]
        assert (await one.refused("claim_task", task_id=pushed["id"]))["code"] == "conflict"

    with step("bad arguments"):
        assert (await one.refused("push_task", titel="x"))["code"] == "invalid"
        assert (await one.refused("push_task", title=7))["code"] == "invalid"
        assert (await one.refused("get_task"))["code"] == "invalid"
        async with refused_with(INVALID_PARAMS):
            await session.call("no_such_tool", {})

    with step("many calls at once"):
        found = {}

        async def write_and_read(key):
            await one.done("set_context", key=key, value=key)
            found[key] = (await one.done("get_context", key=key))["value"]

        keys = [f"{key}/{at}" for at in range(20)]
        async with anyio.create_task_group() as beside:
            for wanted in keys:
                beside.start_soon(write_and_read, wanted)
        assert found == {wanted: wanted for wanted in keys}

    if transport != "stdio":
        with step("a wrong token"):
            wrong = {"Authorization": "Bearer orch_none_" + "0" * 64}
            let_in = False
            with contextlib.suppress(BaseException):
                async with join(me, "session", headers=wrong):
                    let_in = True
            # The second is for a machine from which many have been wrong.
            assert reached.statuses & {401, 429} and not let_in

    with step("close"):
        for agent in [two, one]:
            await agent.done("unregister_instance")


def root(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def main():
    with tempfile.TemporaryDirectory() as exits:
        exits = pathlib.Path(exits)
        try:
            async with contextlib.AsyncExitStack() as closing:
                await scenario(closing, exits)
            assert reached.broken == [], reached.broken
            # A server that has to be killed did not see that its client is gone.
            ended = [path.read_text().strip() for path in exits.iterdir()]
            assert ended == (["0", "0"] if transport == "stdio" else []), f"servers ended with {ended}"
        except BaseException as error:
            traceback.print_exc()
            error = root(error)
            where = traceback.extract_tb(error.__traceback__)
            mine = [frame.line for frame in where if pathlib.Path(frame.filename).name == "scenario.py"]
            fail(f"{type(error).__name__}: {error}: {mine[-1:]}")
    end(f"ok {cell} {len(steps)} steps")


anyio.run(main)
