// `client_v2.mjs MODE`: version 2 of the official TypeScript SDK as the client of the story; legacy, auto or modern.
import { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { main } from './story.mjs';

const mode = process.argv[2] === 'modern' ? { pin: '2026-07-28' } : process.argv[2];
const capabilities = { elicitation: {}, sampling: {}, roots: {} };

async function open(target) {
    const client = new Client({ name: 'story', version: '2' }, { capabilities, versionNegotiation: { mode } });
    const heard = [];
    const logged = [];
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Anna' } }));
    client.setRequestHandler('sampling/createMessage', () => (
        { role: 'assistant', model: 'm1', content: { type: 'text', text: 'more' } }));
    client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///work' }] }));
    client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
    client.setNotificationHandler('notifications/message', ({ params }) => void logged.push(params.data));
    const requestInit = { headers: { Authorization: `Bearer ${target.key}` } };
    const transport = new StreamableHTTPClientTransport(new URL(target.url), { requestInit });
    await client.connect(transport);
    const legacy = client.getProtocolEra() === 'legacy';
    const _meta = legacy ? undefined : { [LOG_LEVEL_META_KEY]: 'info' };
    const fresh = { cacheMode: 'bypass' };
    return {
        version: client.getNegotiatedProtocolVersion(), legacy, heard, logged,
        call: (name, given, onprogress) => client.callTool({ name, arguments: given, _meta }, { onprogress }),
        async cancel(name, running) {
            const controller = new AbortController();
            const calling = client.callTool({ name, arguments: {} }, { signal: controller.signal });
            await running();
            controller.abort('the story says so');
            await calling.catch(() => undefined);
        },
        listed: async what => ({
            tools: async () => (await client.listTools(undefined, fresh)).tools,
            prompts: async () => (await client.listPrompts(undefined, fresh)).prompts,
            resources: async () => (await client.listResources(undefined, fresh)).resources,
            templates: async () => (await client.listResourceTemplates(undefined, fresh)).resourceTemplates
        })[what](),
        read: uri => client.readResource({ uri }, fresh),
        prompt: (name, given) => client.getPrompt({ name, arguments: given }),
        complete: (ref, argument) => client.complete({ ref, argument }),
        level: async level => (legacy ? client.setLoggingLevel(level) : undefined), // modern requests carry it
        ping: () => client.ping(),
        subscribe: uri => client.subscribeResource({ uri }),
        async listening(uri) {
            if (!legacy) {
                const resourceSubscriptions = uri === undefined ? [] : [uri];
                const subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions });
                return () => subscription.close();
            }
            if (uri !== undefined) await client.subscribeResource({ uri });
            return () => (uri === undefined ? undefined : client.unsubscribeResource({ uri }));
        },
        async close() {
            await transport.terminateSession?.();
            await client.close();
        }
    };
}

await main(open);
