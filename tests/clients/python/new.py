"""The second major of the Python SDK, with the words that `scenario.py` uses."""

import contextlib
import warnings

import anyio
import mcp
import mcp_types as types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

import reached
from reached import plain

warnings.simplefilter("ignore", mcp.MCPDeprecationWarning)

ProtocolError = mcp.MCPError
MISSING_RESOURCE = {"legacy": -32002, "modern": -32602}


@contextlib.asynccontextmanager
async def streams(transport, headers, exit_code):
    client = reached.watched(create_mcp_http_client)
    if transport == "stdio":
        async with stdio_client(mcp.StdioServerParameters(**reached.command(exit_code))) as pair:
            yield pair
    elif transport == "http":
        async with client(headers=reached.headers(headers)) as http:
            async with streamable_http_client(reached.url("http"), http_client=http) as pair:
                yield pair
    else:
        async with sse_client(reached.url("sse"), reached.headers(headers), httpx_client_factory=client) as pair:
            yield pair


@contextlib.asynccontextmanager
async def connect(transport, era, headers, exit_code):
    heard = {}

    async def hear(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            heard.get(str(message.params.uri), anyio.Event()).set()

    mode = "auto" if era == "modern" else "legacy"
    way = streams(transport, headers, exit_code)
    # A cache would answer in the server's place.
    async with mcp.Client(way, mode=mode, message_handler=hear, cache=None) as client:
        yield New(client, era, heard)


class New:
    def __init__(self, client, era, heard):
        self.client = client
        self.era = era
        self.heard = heard
        self.version = client.protocol_version
        self.about = {
            "serverInfo": plain(client.server_info),
            "instructions": client.instructions,
            "capabilities": plain(client.server_capabilities),
        }

    async def call(self, name, arguments, progress=None):
        return plain(await self.client.call_tool(name, arguments, progress_callback=progress))

    async def ping(self):
        await self.client.send_ping()

    async def lists(self):
        return {
            **plain(await self.client.list_tools()),
            **plain(await self.client.list_resources()),
            **plain(await self.client.list_resource_templates()),
            **plain(await self.client.list_prompts()),
        }

    async def read(self, uri):
        return plain(await self.client.read_resource(uri))["contents"][0]

    async def prompt(self, name, arguments=None):
        return plain(await self.client.get_prompt(name, arguments))["messages"][0]["content"]["text"]

    async def complete(self, uri, argument, typed):
        template = types.ResourceTemplateReference(uri=uri)
        return plain(await self.client.complete(template, {"name": argument, "value": typed}))["completion"]["values"]

    @contextlib.asynccontextmanager
    async def follow(self, uri):
        if self.era == "legacy":
            changed = self.heard[uri] = anyio.Event()
            await self.client.subscribe_resource(uri)
            yield changed.wait
            await self.client.unsubscribe_resource(uri)
            return
        async with self.client.listen(resource_subscriptions=[uri]) as updates:
            assert updates.honored.resource_subscriptions == [uri], updates.honored

            async def changed():
                assert (await anext(updates)).uri == uri

            yield changed
