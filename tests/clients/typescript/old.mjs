//! The first major of the TypeScript SDK, with the words that `scenario.mjs` uses.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { transportOf } from './transports.mjs';

const Transports = { stdio: StdioClientTransport, http: StreamableHTTPClientTransport, sse: SSEClientTransport };

export async function connect(wanted) {
    const transport = transportOf(Transports, wanted);
    // The client keeps the version it agreed upon to itself, and tells the transport, if that asks to be told.
    let version;
    const told = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (agreed) => {
        version = agreed;
        told?.(agreed);
    };
    const client = new Client({ name: 'typescript-1', version: '1.32.2' });
    const heard = new Map();
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
        (heard.get(params.uri) ?? wanted.astray)?.(params.uri),
    );
    await client.connect(transport);
    return {
        client,
        transport,
        version,
        missingResource: -32002,
        call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
        /// `told` is called when the resource changes; an update of what nobody follows goes to `wanted.astray`.
        follow: async (uri, told) => {
            heard.set(uri, told);
            await client.subscribeResource({ uri });
            return () => client.unsubscribeResource({ uri });
        },
    };
}
