// Version 1 of the official TypeScript SDK signs in.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { main } from './oauth.mjs';

const open = (target, authProvider) => ({
    client: new Client({ name: 'story', version: '1' }),
    transport: new StreamableHTTPClientTransport(new URL(target.url), { authProvider })
});

await main({ open, UnauthorizedError, refreshesOnly: true });
