// SPDX-License-Identifier: Apache-2.0
// handler: the handlers of counter, units and token, from the modules that `millrace bench` uploads, in
// V8. The host functions are what they need of the ABI; nothing is taken back, counted, hashed or
// kept.
//
// node handler.js FOLDER_OF_MODULES WORKLOAD MESSAGES    prints: messages seconds
'use strict';
const fs = require('fs');

const PAGE_BYTES = 65536;
const HOLDERS = 10000;
const POPULATE = 500;
const workloads = {
  counter: {module: 'counter', programs: 1000, init: null, setup: [], message: () => Buffer.alloc(0)},
  unit: {module: 'units', programs: 1000, init: Buffer.alloc(0), setup: [], message: () => Buffer.alloc(0)},
  units4: {module: 'units', programs: 1000, init: u32(4), setup: [], message: () => Buffer.alloc(0)},
  token: {module: 'token', programs: 16, init: Buffer.from([...u32(HOLDERS), 1]), setup: populate(), message: transfer},
};

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function populate() {
  const messages = [];
  for (let first = 0; first < HOLDERS; first += POPULATE)
    messages.push(Buffer.concat([Buffer.from([5]), u32(first), u32(POPULATE), Buffer.from('00000000000100000000000000000000', 'hex')]));
  return messages;
}

let seed = 88172645;
function random(below) {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % below;
}

function transfer() {
  const bytes = Buffer.alloc(1 + 32 + 32 + 16);
  const from = random(HOLDERS);
  bytes[0] = 2;
  bytes.writeUInt32LE(from, 1);
  bytes.writeUInt32LE((from + 1 + random(HOLDERS - 1)) % HOLDERS, 33);
  bytes[65] = 1;
  return bytes;
}

let payload = Buffer.alloc(0); // of the message that is handled
let replies = 0;

// One program: an instance and a memory of its own.
function instantiate(module) {
  const memory = new WebAssembly.Memory({initial: 2});
  let bytes = new Uint8Array(memory.buffer);
  let words = new DataView(memory.buffer);
  const known = {
    memory,
    gr_size: (out) => words.setUint32(out, payload.length, true),
    gr_read(at, size, to, error) {
      for (let i = 0; i < size; i++) // most are shorter than what a call of set() costs
        bytes[to + i] = payload[at + i];
      words.setUint32(error, 0, true);
    },
    gr_source: (out) => bytes.fill(0, out, out + 32),
    gr_reply(from, size, value, result) {
      replies += bytes.slice(from, from + size).length > 0 ? 1 : 0;
      words.setUint32(result, 0, true);
    },
    alloc(pages) {
      const first = memory.grow(pages);
      bytes = new Uint8Array(memory.buffer);
      words = new DataView(memory.buffer);
      return first;
    },
    gr_panic(text, size) {
      throw new Error(Buffer.from(bytes.slice(text, text + size)).toString());
    },
  };
  const env = {};
  for (const {name} of WebAssembly.Module.imports(module))
    env[name] = known[name] || (() => { throw new Error(`${name} is not there`); });
  return new WebAssembly.Instance(module, {env}).exports;
}

function main(folder, name, wanted) {
  const kind = workloads[name];
  const module = new WebAssembly.Module(fs.readFileSync(`${folder}/${kind.module}.wasm`));
  const programs = Array.from({length: kind.programs}, () => instantiate(module));
  for (const program of programs) {
    payload = kind.init;
    if (payload !== null)
      program.init();
    for (payload of kind.setup)
      program.handle();
  }
  const messages = Array.from({length: Math.min(wanted, 200000)}, kind.message);
  const destinations = messages.map(() => programs[random(programs.length)]);
  const run = (count) => {
    for (let i = 0, at = 0; i < count; i++, at = at + 1 === messages.length ? 0 : at + 1) {
      payload = messages[at];
      destinations[at].handle();
    }
  };
  run(messages.length); // warm-up: V8 compiles once more what is called often
  const begin = process.hrtime.bigint();
  run(wanted);
  console.log(`${wanted} ${Number(process.hrtime.bigint() - begin) / 1e9}`);
}

main(process.argv[2], process.argv[3], Number(process.argv[4]));
