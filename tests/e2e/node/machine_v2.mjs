// `node machine_v2.mjs TARGET`: a program with a secret of its own calls through version 2 of the TypeScript SDK.
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const { url, client: clientId, secret: clientSecret, issuer: expectedIssuer } = JSON.parse(process.argv[2]);
const authProvider = new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer });
const client = new Client({ name: 'machine', version: '2' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }));
const tools = (await client.listTools()).tools.map(tool => tool.name).sort();
const found = await client.callTool({ name: 'find_customers', arguments: { query: 'Quill' } });
process.stdout.write(JSON.stringify({ tools, found: found.content[0].text }));
await client.close();
process.exit(0);
