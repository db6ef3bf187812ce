// `server_v1.mjs stdio` or a port: a story server on version 1 of the official TypeScript SDK, with sessions.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
    CreateMessageResultSchema, ElicitResultSchema, ListRootsResultSchema,
    SubscribeRequestSchema, UnsubscribeRequestSchema
} from '@modelcontextprotocol/sdk/types.js';
import { asked, offer, rhyme, state, text } from './offers.mjs';

const stories = new Set();

function story() {
    const capabilities = { logging: {}, completions: {}, tools: { listChanged: true }, resources: { subscribe: true } };
    const server = new McpServer({ name: 'typescript1', version: '1' }, { capabilities });
    const made = { server, wanted: new Set() };
    const way = {
        completable, ResourceTemplate,
        args: shape => shape,
        signal: context => context.signal,
        token: context => context._meta?.progressToken,
        notify: (context, notification) => context.sendNotification(notification),
        log: (context, level, data) => server.sendLoggingMessage({ level, data }, context.sessionId)
    };
    made.extra = offer(server, way, {
        grown: () => stories.forEach(({ extra }) => (state.grown ? extra.enable() : extra.disable())),
        touched: async uri => {
            for (const each of stories) if (each.wanted.has(uri)) await each.server.server.sendResourceUpdated({ uri });
        }
    });
    const ask = (name, method, params, schema, words) =>
        server.registerTool(name, {}, async context => text(words(await context.sendRequest({ method, params }, schema))));
    ask('ask_name', 'elicitation/create', { message: 'Who are you?', requestedSchema: asked }, ElicitResultSchema,
        ({ action, content }) => (action === 'accept' ? `Hello, ${content.name}` : action));
    ask('ask_model', 'sampling/createMessage', rhyme, CreateMessageResultSchema,
        ({ model, content }) => `${model}: ${content.text}`);
    ask('ask_roots', 'roots/list', undefined, ListRootsResultSchema, ({ roots }) => roots.map(({ uri }) => uri).join(' '));
    server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => (made.wanted.add(params.uri), {}));
    server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => (made.wanted.delete(params.uri), {}));
    stories.add(made);
    server.server.onclose = () => stories.delete(made);
    return server;
}

const sessions = new Map();

async function http(request, response) {
    const named = request.headers['mcp-session-id'];
    if (named !== undefined) {
        const transport = sessions.get(named);
        if (transport === undefined) return void response.writeHead(404).end();
        return void (await transport.handleRequest(request, response));
    }
    const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: new InMemoryEventStore(),
        onsessioninitialized: id => void sessions.set(id, transport)
    });
    await story().connect(transport);
    await transport.handleRequest(request, response);
}

if (process.argv[2] === 'stdio') await story().connect(new StdioServerTransport());
else createServer((request, response) => void http(request, response)).listen(Number(process.argv[2]), '127.0.0.1');
