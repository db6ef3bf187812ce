// `node --import ./loopback.mjs SERVER`: what would listen on all interfaces listens on 127.0.0.1.
import { Server } from 'node:net';

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
    return typeof port === 'number' && typeof rest[0] !== 'string'
        ? listen.call(this, port, '127.0.0.1', ...rest)
        : listen.call(this, port, ...rest);
};
