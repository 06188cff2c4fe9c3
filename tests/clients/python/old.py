"""The first major of the Python SDK, with the words that `scenario.py` uses."""

import contextlib

import anyio
import mcp
from mcp import types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import AnyUrl

import reached
from reached import plain

ProtocolError = mcp.McpError
MISSING_RESOURCE = {"legacy": -32002}


@contextlib.asynccontextmanager
async def streams(transport, headers, exit_code):
    client = reached.watched(create_mcp_http_client)
    if transport == "stdio":
        async with stdio_client(mcp.StdioServerParameters(**reached.command(exit_code))) as pair:
            yield pair
    elif transport == "http":
        async with client(headers=reached.headers(headers)) as http:
            async with streamable_http_client(reached.url("http"), http_client=http) as (reader, writer, _):
                yield reader, writer
    else:
        async with sse_client(reached.url("sse"), reached.headers(headers), httpx_client_factory=client) as pair:
            yield pair


@contextlib.asynccontextmanager
async def connect(transport, era, headers, exit_code):
    async with streams(transport, headers, exit_code) as (reader, writer):
        heard = {}
        async with mcp.ClientSession(reader, writer, message_handler=handler(heard)) as session:
            yield Old(session, heard, plain(await session.initialize()))


def handler(heard):
    async def hear(message):
        match message:
            case types.ServerNotification(root=types.ResourceUpdatedNotification(params=params)):
                heard.get(str(params.uri), anyio.Event()).set()

    return hear


class Old:
    def __init__(self, session, heard, opened):
        self.session = session
        self.heard = heard
        self.version = opened["protocolVersion"]
        self.about = opened

    async def call(self, name, arguments, progress=None):
        request = self.session._request_id
        try:
            return plain(await self.session.call_tool(name, arguments, progress_callback=progress))
        except anyio.get_cancelled_exc_class():
            # This major tells nobody that a call was given up; its hosts do.
            with anyio.CancelScope(shield=True):
                params = types.CancelledNotificationParams(requestId=request)
                cancelled = types.CancelledNotification(params=params)
                await self.session.send_notification(types.ClientNotification(cancelled))
            raise

    async def ping(self):
        await self.session.send_ping()

    async def lists(self):
        return {
            **plain(await self.session.list_tools()),
            **plain(await self.session.list_resources()),
            **plain(await self.session.list_resource_templates()),
            **plain(await self.session.list_prompts()),
        }

    async def read(self, uri):
        return plain(await self.session.read_resource(AnyUrl(uri)))["contents"][0]

    async def prompt(self, name, arguments=None):
        return plain(await self.session.get_prompt(name, arguments))["messages"][0]["content"]["text"]

    async def complete(self, uri, argument, typed):
        template = types.ResourceTemplateReference(type="ref/resource", uri=uri)
        return plain(await self.session.complete(template, {"name": argument, "value": typed}))["completion"]["values"]

    @contextlib.asynccontextmanager
    async def follow(self, uri):
        changed = self.heard[uri] = anyio.Event()
        await self.session.subscribe_resource(AnyUrl(uri))
        yield changed.wait
        await self.session.unsubscribe_resource(AnyUrl(uri))
