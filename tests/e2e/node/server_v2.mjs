// `server_v2.mjs stdio` or a port: a story server on version 2 of the official TypeScript SDK, in both eras; over
// HTTP the legacy one is served without sessions, as this SDK does by itself.
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
    acceptedContent, completable, createMcpHandler, inputRequired, inputResponse, McpServer, ResourceTemplate
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod/v4';
import { asked, offer, rhyme, state, text } from './offers.mjs';

let published; // how listeners are told: over HTTP all requests share it, on stdio the connection has it

function story() {
    const capabilities = { logging: {}, completions: {}, tools: { listChanged: true }, resources: { subscribe: true } };
    const server = new McpServer({ name: 'typescript2', version: '1' }, { capabilities });
    const way = {
        completable, ResourceTemplate,
        args: shape => z.object(shape),
        signal: context => context.mcpReq.signal,
        token: context => context.mcpReq._meta?.progressToken,
        notify: (context, notification) => context.mcpReq.notify(notification),
        log: (context, level, data) => context.mcpReq.log(level, data)
    };
    const wanted = new Set();
    const extra = offer(server, way, {
        grown: () => {
            state.grown ? extra.enable() : extra.disable();
            published?.toolsChanged();
        },
        touched: async uri => {
            published?.resourceUpdated(uri);
            if (published === undefined) await server.server.sendResourceUpdated({ uri });
        }
    });
    const ask = (name, question, words) => server.registerTool(name, {}, context => {
        const answers = context.mcpReq.inputResponses;
        if (answers?.it === undefined) return inputRequired({ inputRequests: { it: question } });
        return text(words(answers, inputResponse(answers, 'it')));
    });
    ask('ask_name', inputRequired.elicit({ message: 'Who are you?', requestedSchema: asked }),
        answers => `Hello, ${acceptedContent(answers, 'it')?.name}`);
    ask('ask_model', inputRequired.createMessage(rhyme), (_, { result }) => `${result.model}: ${result.content.text}`);
    ask('ask_roots', inputRequired.listRoots(), (_, { roots }) => roots.map(({ uri }) => uri).join(' '));
    server.server.setRequestHandler('resources/subscribe', ({ params }) => (wanted.add(params.uri), {}));
    server.server.setRequestHandler('resources/unsubscribe', ({ params }) => (wanted.delete(params.uri), {}));
    return server;
}

if (process.argv[2] === 'stdio') {
    serveStdio(story);
} else {
    const handler = createMcpHandler(story);
    published = handler.notify;
    createServer(toNodeHandler(handler)).listen(Number(process.argv[2]), '127.0.0.1');
}
