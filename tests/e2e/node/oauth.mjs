// How a client of the official TypeScript SDK signs in and what it does then; the programs say which SDK.
//
// `node PROGRAM TARGET`: TARGET is JSON with `url`, `callback`, what it is registered as (`client`) or described at
// (`document`), `rest`, the seconds after which its token has expired, `victim`, the customer to delete, and `prefix`
// where names of tools have one. It says what it saw in lines of JSON on stdout. Where to sign in is one of them: the answer on stdin is the URL that the browser
// was sent back to.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = line => process.stdout.write(`${JSON.stringify(line)}\n`);
const sleep = seconds => new Promise(done => void setTimeout(done, seconds * 1000));

// An application's half of OAuth: it remembers, and it opens a browser.
class Remembering {
    constructor(target) {
        this.redirectUrl = target.callback;
        this.clientMetadataUrl = target.document;
        this.registered = target.client && { client_id: target.client };
        this.clientMetadata = {
            client_name: 'story', redirect_uris: [target.callback], token_endpoint_auth_method: 'none',
            application_type: 'native', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code']
        };
    }
    state = () => 'story';
    clientInformation = () => this.registered;
    saveClientInformation = given => void (this.registered = given);
    tokens = () => this.held;
    saveTokens = given => void (this.held = given);
    codeVerifier = () => this.verifier;
    saveCodeVerifier = given => void (this.verifier = given);
    redirectToAuthorization = url => void (this.opened = url);
}

export async function main({ open, UnauthorizedError, refreshesOnly }) {
    const target = JSON.parse(process.argv.at(-1));
    const auth = new Remembering(target);
    let { client, transport } = open(target, auth);

    // What needs a login fails, is finished by one, and is done again.
    async function signedIn(doing, again) {
        try {
            return await doing();
        } catch (error) {
            if (!auth.opened) throw error;
            if (!(error instanceof UnauthorizedError || error.cause instanceof UnauthorizedError)) throw error;
        }
        say({ authorize: String(auth.opened) });
        auth.opened = undefined;
        const came = new URL((await lines.next()).value).searchParams;
        await transport.finishAuth(came.get('code'), came.get('iss') ?? undefined);
        return await again();
    }

    const call = async (name, given) => {
        const result = await client.callTool({ name: `${target.prefix ?? ''}${name}`, arguments: given });
        return { text: result.content.map(part => part.text).join('\n'), error: result.isError ?? false };
    };
    await signedIn(() => client.connect(transport), () => {
        ({ client, transport } = open(target, auth));
        return client.connect(transport);
    });
    say({ tools: (await client.listTools()).tools.map(tool => tool.name).sort() });
    say({ found: await call('find_customers', { query: 'Quill' }) });
    await sleep(target.rest);
    say({ again: await call('find_customers', { query: 'Quill' }) });
    // Where a client that may refresh does that in place of asking for more, it is refused again for good.
    if (refreshesOnly) delete auth.held.refresh_token;
    const erase = () => call('delete_customer', { id: target.victim });
    say({ deleted: await signedIn(erase, erase) });
    say({ scopes: auth.held.scope.split(' ').sort(), client: auth.registered.client_id });
    await client.close();
    process.exit(0);
}
