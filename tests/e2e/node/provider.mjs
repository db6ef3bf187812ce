// `node provider.mjs SETTINGS`: npm's oidc-provider as the authorization server of a test, until it is ended.
//
// SETTINGS is JSON: `port`; `scopes` that its resources have; `clients` as RFC 7591 describes them; `groups` by
// account; `opaque`, the clients whose tokens are no JWTs; `rsa`, those whose tokens are signed with RSA; `ttl` of
// access tokens in seconds; `documents`, what there is at https URLs when it fetches metadata of clients; `tls` with
// files `cert` and `key`; `issuer`, when it says that it is another; `generation`, as which its keys begin.
// What a test may tell it while it runs is under /test.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const settings = { clients: [], groups: {}, opaque: [], rsa: [], documents: {}, ttl: 300, generation: 1,
    ...JSON.parse(process.argv[2]) };
const issuer = settings.issuer ?? `${settings.tls ? 'https' : 'http'}://127.0.0.1:${settings.port}`;
const granted = {};
const stored = new Map();

// Every provider of this process has the same storage: new keys are a new provider over the same grants.
class Storage {
    constructor(model) {
        this.model = model;
    }
    find = async id => stored.get(`${this.model}:${id}`);
    findByUid = async uid => [...stored.values()].find(entry => entry.kind === this.model && entry.uid === uid);
    async upsert(id, payload) {
        // A client registers with the scopes that it needs at that time; that does not keep it from asking for more.
        if (this.model === 'Client') delete payload.scope;
        stored.set(`${this.model}:${id}`, payload);
    }
    async destroy(id) {
        stored.delete(`${this.model}:${id}`);
    }
    async consume(id) {
        stored.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
    }
    async revokeByGrantId(grant) {
        for (const [key, payload] of stored) if (payload.grantId === grant) stored.delete(key);
    }
}

// Named alike at every provider: that a key has the right name says nothing of whose it is.
function keys(generation) {
    const pairs = {
        ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
        RS256: generateKeyPairSync('rsa', { modulusLength: 2048 })
    };
    return Object.entries(pairs).map(([alg, { privateKey }]) => (
        { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}` }));
}

function resource(indicator, { clientId }) {
    if (!URL.canParse(indicator)) throw new errors.InvalidTarget();
    return {
        scope: settings.scopes,
        audience: indicator,
        accessTokenTTL: settings.ttl,
        accessTokenFormat: settings.opaque.includes(clientId) ? 'opaque' : 'jwt',
        jwt: { sign: { alg: settings.rsa.includes(clientId) ? 'RS256' : 'ES256' } }
    };
}

const account = id => ({ accountId: id, claims: async () => ({ sub: id, groups: settings.groups[id] ?? [] }) });

function configuration(jwks) {
    return {
        jwks,
        adapter: Storage,
        clients: settings.clients,
        cookies: { keys: ['of a test'] },
        ttl: { Interaction: 600, Session: 3600, Grant: 3600, RefreshToken: 3600, ClientCredentials: settings.ttl },
        clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
        scopes: ['openid', 'offline_access', ...settings.scopes.split(' ')],
        findAccount: (_, id) => account(id),
        extraTokenClaims: (_, token) => (
            { ...token.acting, ...(token.accountId && { groups: settings.groups[token.accountId] ?? [] }) }),
        issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
        fetch: async url => (
            Response.json(settings.documents[url] ?? {}, { status: url in settings.documents ? 200 : 404 })),
        features: {
            clientCredentials: { enabled: true },
            clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
            introspection: { enabled: true },
            mTLS: {
                enabled: Boolean(settings.tls), certificateBoundAccessTokens: true,
                getCertificate: context => pem(context.socket.getPeerCertificate())
            },
            registration: { enabled: true },
            resourceIndicators: {
                enabled: true, getResourceServerInfo: (_, indicator, client) => resource(indicator, client),
                defaultResource: (_, client, asked) => asked, useGrantedResource: () => true
            },
            revocation: { enabled: true },
            rpInitiatedLogout: { enabled: false }
        }
    };
}

function pem(certificate) {
    if (!certificate?.raw) return undefined;
    return `-----BEGIN CERTIFICATE-----\n${certificate.raw.toString('base64')}\n-----END CERTIFICATE-----`;
}

// RFC 8693: the client acts for the subject of a token that it was given. The provider leaves that to who runs it.
function exchanging(provider, published) {
    const given = createLocalJWKSet(published);
    return async context => {
        const { client, params } = context.oidc;
        const { payload } = await jwtVerify(params.subject_token, given, { issuer });
        const about = { accountId: payload.sub, client, grantId: 'exchanged', gty: 'exchange' };
        const token = new provider.AccessToken(about);
        token.resourceServer = new provider.ResourceServer(params.resource, resource(params.resource, client));
        token.scope = params.scope ?? payload.scope;
        token.acting = { act: { sub: client.clientId, ...(payload.act && { act: payload.act }) } };
        context.body = {
            access_token: await token.save(), issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            token_type: 'Bearer', expires_in: token.expiration, scope: token.scope
        };
    };
}

function provide(current, kept = []) {
    const all = [...current, ...kept];
    const made = new Provider(issuer, configuration({ keys: all }));
    const published = { keys: all.map(({ kty, kid, crv, x, y, n, e, alg }) => ({ kty, kid, crv, x, y, n, e, alg })) };
    const params = ['resource', 'scope', 'subject_token', 'subject_token_type'];
    made.registerGrantType(EXCHANGE, exchanging(made, published), params);
    made.on('grant.success', ({ oidc }) => {
        granted[oidc.params.grant_type] = (granted[oidc.params.grant_type] ?? 0) + 1;
    });
    made.on('server_error', (_, error) => console.error(error));
    for (const failed of ['grant.error', 'authorization.error', 'introspection.error', 'registration_create.error']) {
        made.on(failed, (_, error) => console.error(failed, error.error, error.error_description, error.error_detail));
    }
    return made.callback();
}

let { generation } = settings;
let current = keys(generation);
let handle = provide(current);

const told = {
    // New keys sign from now on; the old ones are published beside them, or no more.
    rotate: query => {
        const old = query.get('retire') ? [] : current;
        current = keys(++generation);
        handle = provide(current, old);
        return current.map(({ kid }) => kid);
    },
    // How many tokens there were by each grant.
    granted: () => granted
};

function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, issuer);
    if (!pathname.startsWith('/test/')) return handle(request, response);
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(told[pathname.slice('/test/'.length)](searchParams)));
}

const { tls } = settings;
const server = tls
    ? createSecureServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key), requestCert: true,
        rejectUnauthorized: false }, answer)
    : createServer(answer);
server.listen(settings.port, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
