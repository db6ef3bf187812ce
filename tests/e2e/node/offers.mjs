// What both story servers in TypeScript's SDKs offer: `registerTool` and its like are the same in versions 1 and 2.
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/v4';

const NAMES = ['Anna', 'Anders', 'Berta'];
const PIXEL = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export const text = said => ({ content: [{ type: 'text', text: said }] });
export const asked = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
export const rhyme = { messages: [{ role: 'user', content: { type: 'text', text: 'a rhyme' } }], maxTokens: 10 };

/** What all sessions of one process share. */
export const state = { begun: 0, cancelled: 0, grown: false };

/**
 * `way` is where the versions differ: completable, ResourceTemplate, the `args` of a prompt, and for the context of a call `signal`, `notify`,
 * `token` (of its progress), `log`. Returns the tool that comes and goes.
 */
export function offer(server, way, change) {
    const { signal, notify, token, log } = way;
    const tool = (name, inputSchema, run, more = {}) =>
        server.registerTool(name, { description: `The tool ${name}.`, inputSchema: z.object(inputSchema), ...more }, run);

    tool('add', { a: z.number().int(), b: z.number().int() }, ({ a, b }) => {
        const structuredContent = { total: a + b };
        return { ...text(JSON.stringify(structuredContent)), structuredContent };
    }, { outputSchema: z.object({ total: z.number().int() }) });
    tool('fail', {}, () => { throw new Error('it broke'); });
    tool('slow', { steps: z.number().int() }, async ({ steps }, context) => {
        for (let progress = 1; progress <= steps; progress++) {
            const params = { progressToken: token(context), progress, total: steps, message: `step ${progress}` };
            if (params.progressToken !== undefined) await notify(context, { method: 'notifications/progress', params });
            await sleep(20);
        }
        return text('done');
    });
    tool('hang', {}, async (_, context) => {
        state.begun += 1;
        signal(context).addEventListener('abort', () => { state.cancelled += 1; });
        await sleep(60_000, undefined, { signal: signal(context), ref: false }).catch(() => undefined);
        return text('nobody waits');
    });
    tool('cancellations', {}, () => text(`${state.begun} begun, ${state.cancelled} cancelled`));
    tool('say', {}, async (_, context) => {
        await log(context, 'debug', 'a debug');
        await log(context, 'warning', 'a warning');
        return text('said');
    });
    tool('guarded', { n: z.number().int() }, ({ n }) => text(`${n} is small`));
    tool('secret', {}, () => text('seen'));
    tool('grow', {}, async (_, context) => {
        state.grown = !state.grown;
        await change.grown(context);
        return text(state.grown ? 'grown' : 'shrunk');
    });
    tool('touch', { uri: z.string() }, async ({ uri }, context) => {
        await change.touched(uri, context);
        return text('touched');
    });

    const note = (name, uri, mimeType, part) =>
        server.registerResource(name, uri, { mimeType }, () => ({ contents: [{ uri, mimeType, ...part }] }));
    note('one', 'note://one', 'text/plain', { text: 'the first note' });
    note('pixel', 'note://pixel', 'image/png', { blob: PIXEL.toString('base64') });
    note('diary', 'private://diary', 'text/plain', { text: 'read' });
    const template = new way.ResourceTemplate('note://{name}/line', { list: undefined });
    server.registerResource('line', template, { mimeType: 'text/plain' }, (uri, { name }) => (
        { contents: [{ uri: uri.href, mimeType: 'text/plain', text: `a line of ${name}` }] }));

    const prompt = (name, argsSchema, words) => server.registerPrompt(name, { argsSchema: way.args(argsSchema) },
        given => ({ messages: [{ role: 'user', content: { type: 'text', text: words(given) } }] }));
    const named = way.completable(z.string(), typed => NAMES.filter(name => name.startsWith(typed)));
    prompt('greet', { name: named }, ({ name }) => `Greet ${name}.`);
    prompt('confess', {}, () => 'Nobody may see it.');

    const extra = tool('extra', {}, () => text('extra'));
    if (!state.grown) extra.disable();
    return extra;
}
