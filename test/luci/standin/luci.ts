// SPDX-License-Identifier: GPL-2.0-only
// LuCI as far as the page meets it: the class loader and poll by luci.js, a view's buttons by luci.js (View), and the
// modules beside this file. Everything is as those sources do it, but for what the page does not use.

import { hashOf } from '../../../scripts/lmo-hash.ts';
import './format.ts';
import { content, create } from './dom.ts';
import { form, maps, setReadonly } from './form.ts';
import { rpc, setSession } from './request.ts';
import { uci } from './uci.ts';
import { initialise, ui } from './ui.ts';
import { uqr } from './uqr.ts';

declare global {
  interface Window {
    /** Translations by the hashes of what they translate. */
    TR?: Readonly<Record<string, string>>;
  }
}

interface Environment {
  readonly view: string;
  readonly sessionid: string;
  readonly readonly: boolean;
}

interface View {
  render(): Promise<Element>;
  readonly handleSaveApply?: null;
}

/** Poll: every function at its interval in seconds, none while its last run goes on. */
const poll = {
  add(run: () => Promise<void>, interval: number): void {
    let running = false;
    setInterval(() => {
      if (running) return;
      running = true;
      void run().finally(() => {
        running = false;
      });
    }, interval * 1000);
  },
};

const callExec = rpc.declare({ object: 'file', method: 'exec', params: ['command', 'params'], reject: true });

const modules: Readonly<Record<string, unknown>> = {
  form,
  /** fs.js */
  fs: { exec: (command: string, parameters: readonly string[] = []) => callExec(command, parameters) },
  poll,
  rpc,
  uci,
  ui,
  uqr,
  /** baseclass.extend, of which the page takes only that it returns a class. */
  view: {
    extend: (members: object) =>
      class {
        constructor() {
          Object.assign(this, members);
        }
      },
  },
};

/** LuCI.require: the leading strings of a file name the modules, the rest is the body of a function. */
async function loadView(name: string): Promise<View> {
  const response = await fetch(`/luci-static/resources/view/wg-slaacer/${name}.js`);
  const source = await response.text();
  const required: [name: string, as: string][] = [];
  const code = source.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, (comment) => ' '.repeat(comment.length));
  for (const [, , text] of code.matchAll(/(["'])((?:\\.|(?!\1)[^\\])*)\1/g)) {
    const [, module, as] = /^require[ \t]+(\S+)(?:[ \t]+as[ \t]+([a-zA-Z_]\S*))?$/.exec(text!) ?? [];
    if (module) required.push([module, as ?? module.replace(/[^a-zA-Z0-9_]/g, '_')]);
    else if (!/^use[ \t]+strict$/.test(text!)) break;
  }
  const parameters = ['window', 'document', 'L', ...required.map(([, as]) => as)].join(', ');
  // biome-ignore lint/security/noGlobalEval: this is what LuCI does
  // biome-ignore lint/complexity/noCommaOperator: evaluated in the global scope
  const factory = (0, eval)(`(function(${parameters}) { ${source} })\n\n//# sourceURL=${name}.js\n`);
  const View = factory(window, document, L, ...required.map(([module]) => modules[module]));
  return new View();
}

/** View.addFooter. */
function footer(view: View, node: Element, environment: Environment): void {
  if (view.handleSaveApply === null) return;
  const save = async (apply: boolean) => {
    await maps.get(node)?.save();
    if (apply) await ui.changes.apply(environment.sessionid);
  };
  const button = (label: string, kind: string, click: () => unknown) =>
    create(
      'button',
      {
        class: `cbi-button ${kind}`,
        disabled: environment.readonly ? '' : null,
        click: ui.createHandlerFn(null, async () => {
          try {
            await click();
          } catch (error) {
            ui.showModal('Save error', [create('p', {}, [(error as Error).message])]);
          }
        }),
      },
      [label],
    );
  document
    .querySelector('#view')!
    .append(
      create('div', { class: 'cbi-page-actions control-group' }, [
        button('Save & Apply', 'cbi-button-apply important', () => save(true)),
        ' ',
        button('Save', 'cbi-button-save', () => save(false)),
        ' ',
        button('Reset', 'cbi-button-reset', () => location.reload()),
      ]),
    );
}

const L = {
  /** In seconds; 5 unless it is configured in /etc/config/luci. */
  env: { pollinterval: 1 },
  hasViewPermission: () => true,
  /** A module, when it is needed. */
  require: async (name: string) => {
    if (!(name in modules)) throw new Error(`HTTP error 404 while loading class file "${name}.js"`);
    return modules[name];
  },
  resource: (...parts: string[]) => ['/luci-static/resources', ...parts].join('/'),
  url: (...parts: string[]) => ['/cgi-bin/luci', ...parts].join('/'),
};

async function startLuCI(environment: Environment): Promise<void> {
  setSession(environment.sessionid);
  setReadonly(environment.readonly);
  L.hasViewPermission = () => !environment.readonly;
  await loadTranslations();
  initialise();
  await ui.changes.init();
  const view = await loadView(environment.view);
  const node = await view.render();
  content(document.querySelector('#view')!, node);
  footer(view, node, environment);
}

/** The languages of the browser that the page has, by LuCI's names. LuCI chooses on the router. */
const languages: Readonly<Record<string, string>> = {
  de: 'de',
  es: 'es',
  fr: 'fr',
  'pt-BR': 'pt-br',
  ru: 'ru',
  'zh-CN': 'zh-cn',
};

/** What the page of a language loads before everything else. */
async function loadTranslations(): Promise<void> {
  const language = languages[navigator.language];
  if (language === undefined) return;
  document.documentElement.lang = navigator.language;
  await new Promise((resolve) => {
    const script = create('script', { src: L.url('admin/translations', language), load: resolve });
    document.head.append(script);
  });
}

/**
 * _() by cbi.js: texts are found by their hashes. In the pseudo-locale en-XA all that is translatable is in capitals: what is
 * not stands out.
 */
function translate(text: string): string {
  if (window.TR) return window.TR[hashOf(text).toString(16).padStart(8, '0')] ?? text;
  if (navigator.language !== 'en-XA') return text;
  return text.replace(/\{\w+\}|%[a-z]|[^{%]+/g, (part) => (/^[{%]/.test(part) ? part : part.toUpperCase()));
}

Object.assign(window, { L, E: create, _: translate, startLuCI });
