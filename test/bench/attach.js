// SPDX-License-Identifier: GPL-2.0-only
// attach.js ADDON OBJECT PROGRAM…: attaches programs of a BPF object until it is killed. Plain JavaScript, since the
// guest's Node runs it as it is.

import { dlopen } from 'node:process';

const [addon = '', object = '', ...programs] = process.argv.slice(2);
const module = { exports: /** @type {import('../../src/kernel/native.ts').Native} */ ({}) };
dlopen(module, addon);
const { BpfObject, kernelTypes } = module.exports;
const loaded = new BpfObject(object, kernelTypes(object, 'wireguard'));
for (const program of programs) loaded.enable(program);
loaded.load();
for (const program of programs) loaded.attach(program);
console.log('ready');
setInterval(() => loaded, 1e9);
