// SPDX-License-Identifier: GPL-2.0-only
// Compiles the LuCI page: each view of luci/ becomes one file that LuCI's class loader takes (luci.js, compileClass).
// There, modules are asked for by leading strings, and the rest is the body of a function that returns the view's class.

import { build, type Plugin } from 'esbuild';

export const VIEWS = ['status', 'timeline', 'settings'];

/** `import x from 'luci:x'`, wherever it stands, is one import of LuCI's module x. */
const modules: Plugin = {
  name: 'luci',
  setup(build) {
    build.onResolve({ filter: /^luci:/ }, ({ path, namespace }) =>
      namespace === 'luci' ? { path, external: true } : { path, namespace: 'luci' },
    );
    build.onLoad({ filter: /.*/, namespace: 'luci' }, ({ path }) => {
      const name = path.replace('luci:', '');
      return { contents: `import ${name} from '${path}'; export { ${name} as default };` };
    });
  },
};

/** The compiled text of luci/<name>.ts. */
export async function compileView(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`luci/${name}.ts`],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2020',
    charset: 'utf8',
    tsconfig: 'luci/tsconfig.json',
    plugins: [modules],
  });
  return toClassFile(outputFiles[0]!.text, name);
}

/** Turns esbuild's module with a default export into a function's body. */
export function toClassFile(module: string, name: string): string {
  const required: string[] = [];
  let exported: string | undefined;
  const body = module
    .replace(/^\/\/ luci:luci:\w+\n+/gm, '')
    .replace(/^import (\w+) from "luci:(\w+)";\n/gm, (_, local: string, wanted: string) => {
      required.push(local === wanted ? `'require ${wanted}';` : `'require ${wanted} as ${local}';`);
      return '';
    })
    .replace(/^export \{\n {2}(\w+) as default\n\};\n/m, (_, local: string) => {
      exported = local;
      return '';
    });
  const text = body.replace(`\nvar ${exported} = view.extend(`, '\nreturn view.extend(');
  if (text === body || /^(import|export)\b/m.test(text))
    throw new Error(
      `${name}: a view must have "export default view.extend(…)" and import modules as luci:<name>`,
    );
  return [
    '// SPDX-License-Identifier: GPL-2.0-only',
    "'use strict';",
    ...required.sort(),
    '',
    text.trimStart(),
  ].join('\n');
}
