// `oauth_v2.mjs MODE TARGET`: version 2 of the official TypeScript SDK signs in; legacy, auto or modern.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { main } from './oauth.mjs';

const mode = process.argv[2] === 'modern' ? { pin: '2026-07-28' } : process.argv[2];
const open = (target, authProvider) => ({
    client: new Client({ name: 'story', version: '2' }, { versionNegotiation: { mode } }),
    transport: new StreamableHTTPClientTransport(new URL(target.url), { authProvider })
});

await main({ open, UnauthorizedError });
