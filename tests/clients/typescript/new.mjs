//! The second major of the TypeScript SDK, with the words that `scenario.mjs` uses.
import { Client } from '@modelcontextprotocol/client';
import { SSEClientTransport } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { transportOf } from './transports.mjs';

const Transports = { stdio: StdioClientTransport, http: StreamableHTTPClientTransport, sse: SSEClientTransport };

export async function connect(wanted) {
    const transport = transportOf(Transports, wanted);
    const client = new Client(
        { name: 'typescript-2', version: '2.4.0' },
        { versionNegotiation: { mode: wanted.era === 'modern' ? 'auto' : 'legacy' } },
    );
    const heard = new Map();
    client.setNotificationHandler('notifications/resources/updated', ({ params }) =>
        (heard.get(params.uri) ?? wanted.astray)?.(params.uri),
    );
    await client.connect(transport);
    return {
        client,
        transport,
        // What an older server calls it, this client translates.
        missingResource: -32602,
        version: client.getNegotiatedProtocolVersion(),
        call: (name, args, options) => client.callTool({ name, arguments: args }, options),
        /// `told` is called when the resource changes; an update of what nobody follows goes to `wanted.astray`.
        follow: async (uri, told) => {
            heard.set(uri, told);
            if (wanted.era !== 'modern') {
                await client.subscribeResource({ uri });
                return () => client.unsubscribeResource({ uri });
            }
            const subscription = await client.listen({ resourceSubscriptions: [uri] });
            if (!subscription.honoredFilter.resourceSubscriptions?.includes(uri)) {
                throw new Error(`not followed: ${JSON.stringify(subscription.honoredFilter)}`);
            }
            return async () => {
                await subscription.close();
                await subscription.closed;
            };
        },
    };
}
