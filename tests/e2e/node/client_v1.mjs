// Version 1 of the official TypeScript SDK as the client of the story.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
    CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema,
    ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema
} from '@modelcontextprotocol/sdk/types.js';
import { main } from './story.mjs';

const capabilities = { elicitation: {}, sampling: {}, roots: {} };

async function open(target) {
    const client = new Client({ name: 'story', version: '1' }, { capabilities });
    const heard = [];
    const logged = [];
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Anna' } }));
    client.setRequestHandler(CreateMessageRequestSchema, () => (
        { role: 'assistant', model: 'm1', content: { type: 'text', text: 'more' } }));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///work' }] }));
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push('tools'));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logged.push(params.data));
    const requestInit = { headers: { Authorization: `Bearer ${target.key}` } };
    const transport = new StreamableHTTPClientTransport(new URL(target.url), { requestInit });
    await client.connect(transport);
    return {
        version: transport.protocolVersion, legacy: true, heard, logged,
        call: (name, given, onprogress) => client.callTool({ name, arguments: given }, undefined, { onprogress }),
        async cancel(name, running) {
            const controller = new AbortController();
            const calling = client.callTool({ name, arguments: {} }, undefined, { signal: controller.signal });
            await running();
            controller.abort('the story says so');
            await calling.catch(() => undefined);
        },
        listed: async what => ({
            tools: async () => (await client.listTools()).tools,
            prompts: async () => (await client.listPrompts()).prompts,
            resources: async () => (await client.listResources()).resources,
            templates: async () => (await client.listResourceTemplates()).resourceTemplates
        })[what](),
        read: uri => client.readResource({ uri }),
        prompt: (name, given) => client.getPrompt({ name, arguments: given }),
        complete: (ref, argument) => client.complete({ ref, argument }),
        level: level => client.setLoggingLevel(level),
        ping: () => client.ping(),
        subscribe: uri => client.subscribeResource({ uri }),
        async listening(uri) {
            if (uri !== undefined) await client.subscribeResource({ uri });
            return () => (uri === undefined ? undefined : client.unsubscribeResource({ uri }));
        },
        async close() {
            await transport.terminateSession();
            await client.close();
        }
    };
}

await main(open);
