// The everyday round of a client, told by what it sees: story.py in JavaScript, step for step (what a step is for
// stands there). `open(target)` gives an adapter: version, legacy, heard, logged, call, cancel, listed, read, prompt,
// complete, level, ping, subscribe, listening(uri) -> a function that ends it, close.
import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS = 8000;
const SAYINGS = 7; // see story.py

function plain(result) {
    const said = (result.content ?? []).filter(({ type }) => type === 'text').map(({ text }) => text).join('\n');
    const denial = result._meta?.['dev.doorward/denial'];
    if (denial !== undefined) return { denied: denial.reason, error: result.isError };
    const structured = result.structuredContent;
    if (structured !== undefined && structured.result !== said) return { structured };
    return result.isError ? { text: said, error: true } : { text: said };
}

async function outcome(doing, shown = plain) {
    try {
        return shown(await doing());
    } catch (problem) {
        if (typeof problem.code !== 'number' || problem.constructor.name.includes('Http'))
            return { lost: `${problem.constructor.name}: ${problem.message}` };
        const told = { code: problem.code, message: problem.message.replace(/^MCP error -?\d+: /, '') };
        if (problem.data?.reason !== undefined) told.reason = problem.data.reason;
        return told;
    }
}

async function eventually(condition, within = WAIT_MS) {
    for (let passed = 0; passed < within; passed += 50) {
        if (await condition()) return true;
        await sleep(50);
    }
    return false;
}

const deep = levels => (levels === 0 ? [] : [deep(levels - 1)]);

class Round {
    constructor(client, target) {
        Object.assign(this, { client, target, calls: target.calls, seen: {} });
    }

    async tell() {
        this.seen.version = this.client.version;
        await this.lists();
        for (const name of ['add', 'fail', 'ask_name', 'ask_model', 'ask_roots'])
            if (name in this.calls) this.seen[name] = await outcome(() => this.call(name));
        await this.reads();
        await this.reports();
        await this.cancels();
        await this.hears();
        await this.isRefused();
        if (this.client.legacy) this.seen.ping = await outcome(() => this.client.ping(), () => 'pong');
    }

    call(name, progress) {
        const [tool, given] = this.calls[name];
        return this.client.call(tool, given, progress);
    }

    async names() {
        return this.mine('tools', 'name');
    }

    async mine(what, key) {
        const every = (await this.client.listed(what)).map(one => one[key]);
        return every.filter(one => one.startsWith(this.target.prefixes[key])).sort();
    }

    async lists() {
        for (const [what, key] of Object.entries(this.target.lists))
            this.seen[what] = await outcome(() => this.mine(what, key), found => found);
    }

    async reads() {
        for (const [name, uri] of Object.entries(this.target.reads ?? {}))
            this.seen[name] = await outcome(() => this.client.read(uri),
                ({ contents }) => contents.map(one => [one.uri, one.text ?? one.blob]));
        const { prompt, complete } = this.target;
        if (prompt) this.seen.prompt = await outcome(() => this.client.prompt(...prompt),
            ({ messages }) => messages.map(({ content }) => content.text));
        if (complete) this.seen.complete = await outcome(() => this.client.complete(...complete),
            ({ completion }) => completion.values);
    }

    async reports() {
        if ('slow' in this.calls) {
            const steps = [];
            this.seen.slow = await outcome(() => this.call('slow', ({ progress, total }) => steps.push([progress, total])));
            this.seen.progress = steps;
        }
        if ('say' in this.calls) {
            await this.client.level('info');
            for (let said = 0; said < SAYINGS; said++) {
                this.seen.say = await outcome(() => this.call('say'));
                if (await eventually(() => this.client.logged.length > 0, 1000)) break;
            }
            this.seen.logged = this.client.logged.map(said => said.msg ?? said); // fastmcp's servers say {msg, extra}
        }
    }

    async cancels() {
        if (!('hang' in this.calls)) return;
        const count = async () => plain(await this.call('cancellations')).text.split(', ');
        const [begun, cancelled] = await count();
        const runs = async () => (await count())[0] !== begun;
        await this.client.cancel(this.calls.hang[0], () => eventually(runs));
        this.seen.cancelled = await eventually(async () => (await count())[1] !== cancelled);
    }

    async hears() {
        const { heard } = this.client;
        const uri = this.target.watched;
        if (!('grow' in this.calls)) return;
        const end = await this.client.listening(uri);
        if (uri !== undefined) {
            await this.call('touch');
            this.seen.updated = await eventually(() => heard.includes(uri));
        }
        const before = await this.names();
        heard.length = 0;
        await this.call('grow');
        this.seen.list_changed = await eventually(() => heard.includes('tools'));
        const only = (some, others) => some.filter(name => !others.includes(name));
        await eventually(async () => {
            const after = await this.names();
            this.seen.grown = [...only(before, after), ...only(after, before)];
            return this.seen.grown.length > 0;
        });
        await end();
    }

    async isRefused() {
        for (const [label, [kind, ...rest]] of Object.entries(this.target.refused ?? {})) {
            if (kind === 'subscribe' && !this.client.legacy) continue;
            const last = rest.at(-1);
            if (last?.large) rest[rest.length - 1] = { a: 'x'.repeat(5_000_000), b: 1 };
            if (last?.deep) rest[rest.length - 1] = { a: deep(199), b: 1 };
            const refusal = await outcome(() => this.client[kind](...rest), kind === 'call' ? plain : result => result);
            const then = await outcome(() => this.call('add'));
            const alive = JSON.stringify(then) === JSON.stringify(this.seen.add);
            this.seen[`refused ${label}`] = { refusal, alive, ...(alive ? {} : { then }) };
        }
    }
}

async function tell(open, target) {
    let client;
    let round;
    try {
        client = await open(target);
        round = new Round(client, target);
        await round.tell();
        return { id: target.id, seen: round.seen };
    } catch (problem) {
        return { id: target.id, failed: `${problem.stack} ${JSON.stringify(round?.seen)}` };
    } finally {
        await client?.close().catch(() => undefined);
    }
}

/** Reads targets as JSON from stdin and prints a line for each; servers side by side, of one server in turn. */
export async function main(open) {
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    const targets = JSON.parse(Buffer.concat(chunks));
    await Promise.all([...new Set(targets.map(({ server }) => server))].map(async server => {
        for (const target of targets)
            if (target.server === server) console.log(JSON.stringify(await tell(open, target)));
    }));
    process.exit(0);
}
