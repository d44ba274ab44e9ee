// SPDX-License-Identifier: GPL-2.0-only
// LuCI.form by form.js, with the sections and options that the settings page uses. Widgets have the ids and classes
// that those of ui.js have; values are checked as validation.js does, when they change and before they are saved.

import { append, create as E } from './dom.ts';
import { uci } from './uci.ts';
import { ui } from './ui.ts';

type FormValue = string | string[] | null;
type Kind<Instance> = new (...parameters: never[]) => Instance;

/** By its node, as dom.findClassInstance finds one. */
export const maps = new WeakMap<Element, FormMap>();

let readonlyView = false;

export function setReadonly(readonly: boolean): void {
  readonlyView = readonly;
}

class FormMap {
  addedSection?: string;
  parent?: FormMap;
  readonly sections: AbstractSection[] = [];
  readonly node = E('div', { class: 'cbi-map' });

  constructor(
    readonly config: string,
    private readonly title: string | null,
    private readonly description: string | null,
  ) {
    maps.set(this.node, this);
  }

  section(kind: Kind<AbstractSection>, type: string, ...rest: string[]): AbstractSection {
    const section = new (kind as unknown as new (...parameters: unknown[]) => AbstractSection)(
      this,
      type,
      ...rest,
    );
    this.sections.push(section);
    return section;
  }

  async render(): Promise<Element> {
    for (const section of this.sections) section.load();
    this.reset();
    return this.node;
  }

  reset(): void {
    this.node.replaceChildren();
    if (this.title !== null) this.node.append(E('h2', { name: 'content' }, this.title));
    if (this.description !== null) this.node.append(E('div', { class: 'cbi-map-descr' }, this.description));
    this.node.append(...this.sections.map((section) => section.render()));
  }

  /** Rejects if a value is not allowed. */
  async save(): Promise<void> {
    await Promise.all(this.sections.map((section) => section.parse()));
    await uci.save();
    for (const section of this.sections) section.load();
    this.reset();
    await ui.changes.init();
  }
}

interface Tab {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

abstract class AbstractSection {
  readonly options: AbstractValue[] = [];
  tabs: readonly Tab[] = [];

  constructor(readonly map: FormMap) {}

  option(kind: Kind<AbstractValue>, name: string, ...rest: unknown[]): AbstractValue {
    const option = new (kind as unknown as new (...parameters: unknown[]) => AbstractValue)(
      this,
      name,
      ...rest,
    );
    this.options.push(option);
    return option;
  }

  tab(name: string, title: string, description = ''): void {
    this.tabs = [...this.tabs, { name, title, description }];
  }

  taboption(tab: string, kind: Kind<AbstractValue>, name: string, ...rest: unknown[]): AbstractValue {
    const option = this.option(kind, name, ...rest);
    option.tab = tab;
    return option;
  }

  abstract cfgsections(): string[];
  abstract render(): Element;

  load(): void {
    for (const section of this.cfgsections())
      for (const option of this.options)
        option.values.set(section, (option.load(section) ?? null) as FormValue);
  }

  /** All are parsed, whatever is wrong with one. */
  async parse(): Promise<void> {
    const sections = this.cfgsections();
    await Promise.all(sections.flatMap((section) => this.parsed().map((option) => option.parse(section))));
  }

  protected parsed(): AbstractValue[] {
    return this.options;
  }
}

class NamedSection extends AbstractSection {
  constructor(
    map: FormMap,
    private readonly name: string,
    _type: string,
    private readonly title?: string,
  ) {
    super(map);
  }

  cfgsections(): string[] {
    return [this.name];
  }

  /** Where there are tabs, what is in none of them does not show, and is removed as if it did not apply. */
  private shown(): AbstractValue[] {
    return this.options.filter(({ tab }) => this.tabs.length === 0 || tab !== undefined);
  }

  override async parse(): Promise<void> {
    for (const option of this.options) if (!this.shown().includes(option)) option.remove(this.name);
    await super.parse();
  }

  protected override parsed(): AbstractValue[] {
    return this.shown();
  }

  render(): Element {
    const node = E('div', { class: 'cbi-section' }, this.title ? [E('h3', {}, this.title)] : []);
    const panes = new Map(this.tabs.map((tab) => [tab.name, renderPane(tab)]));
    if (panes.size > 0) node.append(tabMenu([...panes.values()]), ...panes.values());
    for (const option of this.shown()) {
      const parent = panes.get(option.tab ?? '') ?? node;
      if (option instanceof SectionValue) {
        parent.append(E('div', { class: 'cbi-value', 'data-name': option.name }, [option.renderWidget()]));
        continue;
      }
      const field = E('div', { class: 'cbi-value-field' }, [option.renderWidget(this.name)]);
      if (option.description !== '')
        append(field, [E('div', { class: 'cbi-value-description' }, option.description)]);
      const label = E(
        'label',
        { class: 'cbi-value-title', for: `widget.${option.id(this.name)}` },
        option.title,
      );
      parent.append(E('div', { class: 'cbi-value', 'data-name': option.name }, [label, field]));
    }
    return node;
  }
}

/** ui.js shows the one that is active. */
function renderPane({ name, title, description }: Tab): HTMLElement {
  return E(
    'div',
    { 'data-tab': name, 'data-tab-title': title, 'data-tab-active': false },
    description === '' ? [] : [E('div', { class: 'cbi-tab-descr' }, description)],
  );
}

/** ui.tabs.initTabGroup. */
function tabMenu(panes: readonly HTMLElement[]): HTMLElement {
  const items = panes.map((pane) =>
    E('li', { 'data-tab': pane.dataset.tab }, [
      E(
        'a',
        {
          href: '#',
          click: (event: Event) => {
            event.preventDefault();
            activate(pane);
          },
        },
        pane.dataset.tabTitle,
      ),
    ]),
  );
  const activate = (chosen: HTMLElement) => {
    panes.forEach((pane, index) => {
      pane.dataset.tabActive = String(pane === chosen);
      items[index]!.className = pane === chosen ? 'cbi-tab' : 'cbi-tab-disabled';
    });
  };
  activate(panes[0]!);
  return E('ul', { class: 'cbi-tabmenu' }, items);
}

class TableSection extends AbstractSection {
  anonymous = false;

  constructor(
    map: FormMap,
    private readonly type: string,
    private readonly title = '',
    private readonly description = '',
  ) {
    super(map);
  }

  cfgsections(): string[] {
    return uci.sections(this.map.config, this.type).map((section) => section['.name'] as string);
  }

  render(): Element {
    const heads = this.options.map(({ title, width }) =>
      E('th', { class: 'th cbi-section-table-cell', style: width && `width: ${width}` }, [title]),
    );
    const rows = this.cfgsections().map((section) =>
      E(
        'tr',
        { class: 'tr cbi-section-table-row', 'data-sid': section },
        this.options.map((option) =>
          E('td', { class: 'td cbi-value-field', 'data-title': option.title, 'data-name': option.name }, [
            E('div', {}, [option.renderWidget(section, 0, option.values.get(section) ?? null)]),
          ]),
        ),
      ),
    );
    const placeholder = E('tr', { class: 'tr cbi-section-table-row placeholder' }, [
      E('td', { class: 'td' }, [E('em', {}, ['This section contains no values yet'])]),
    ]);
    return E('div', { class: 'cbi-section cbi-tblsection' }, [
      this.title === '' ? null : E('h3', {}, this.title),
      this.description === '' ? null : E('div', { class: 'cbi-section-descr' }, this.description),
      E('table', { class: 'table cbi-section-table' }, [
        E('thead', {}, [E('tr', { class: 'tr cbi-section-table-titles anonymous' }, heads)]),
        E('tbody', {}, rows.length > 0 ? rows : [placeholder]),
      ]),
    ]);
  }
}

class GridSection extends AbstractSection {
  anonymous = false;
  sectiontitle?: (section: string) => string;
  modaltitle!: (section: string) => string;

  constructor(
    map: FormMap,
    private readonly type: string,
  ) {
    super(map);
  }

  cfgsections(): string[] {
    return uci.sections(this.map.config, this.type).map((section) => section['.name'] as string);
  }

  protected override parsed(): AbstractValue[] {
    return this.options.filter(({ editable, modalonly }) => editable && modalonly !== true);
  }

  render(): Element {
    const columns = this.options.filter(({ modalonly }) => modalonly !== true);
    const titles = [...(this.anonymous ? [] : ['Name']), ...columns.map(({ title }) => title), ''];
    const head = titles.map((title) => E('th', { class: 'th cbi-section-table-cell' }, [title]));
    return E('div', { class: 'cbi-section cbi-tblsection' }, [
      E('table', { class: 'table cbi-section-table' }, [
        E('thead', {}, [
          E('tr', { class: `tr cbi-section-table-titles ${this.anonymous ? 'anonymous' : 'named'}` }, head),
        ]),
        E(
          'tbody',
          {},
          this.cfgsections().map((section) => this.renderRow(section, columns)),
        ),
      ]),
    ]);
  }

  private renderRow(section: string, columns: readonly AbstractValue[]): Element {
    const cells = columns.map((option) => {
      const value = option.editable ? option.renderWidget(section) : option.textvalue(section);
      const attributes = {
        class: 'td cbi-value-field',
        'data-title': option.title,
        'data-name': option.name,
      };
      return E('td', attributes, value ?? E('em', {}, ['none']));
    });
    const edit = ui.createHandlerFn(this, () => this.renderMoreOptionsModal(section));
    const title = this.anonymous ? undefined : (this.sectiontitle?.(section) ?? section);
    return E('tr', { class: 'tr cbi-section-table-row', 'data-sid': section, 'data-title': title }, [
      title === undefined ? null : E('td', { class: 'td cbi-value-field cbi-section-table-titles' }, [title]),
      ...cells,
      E('td', { class: 'td cbi-section-table-cell nowrap cbi-section-actions' }, [
        E('div', {}, [
          E('button', { class: 'btn cbi-button cbi-button-edit', title: 'Edit', click: edit }, ['Edit']),
        ]),
      ]),
    ]);
  }

  addModalOptions(_dialog: AbstractSection, _section: string): unknown {
    return undefined;
  }

  /** The section has to be there: its name is taken from what uci.js knows of it. */
  async renderMoreOptionsModal(section: string): Promise<void> {
    const name = (uci.get(this.map.config, section) as { '.name': string })['.name'];
    const map = new FormMap(this.map.config, null, null);
    map.parent = this.map;
    const copy = map.section(NamedSection as never, name, this.type) as NamedSection;
    copy.tabs = this.tabs;
    for (const option of this.options) {
      if (option.modalonly === false) continue;
      const clone = copy.option(option.constructor as never, option.name, option.title, option.description);
      const own = Object.entries(option).filter(([key]) => !['section', 'values', 'widgets'].includes(key));
      Object.assign(clone, Object.fromEntries(own));
    }
    await this.addModalOptions(copy, name);
    const dismiss = () => {
      if (this.map.addedSection !== undefined) uci.remove(this.map.config, this.map.addedSection);
      delete this.map.addedSection;
      ui.hideModal();
    };
    const save = async () => {
      try {
        await map.save();
      } catch {
        return;
      }
      delete this.map.addedSection;
      await this.map.render();
      ui.hideModal();
    };
    ui.showModal(
      this.modaltitle(name),
      [
        await map.render(),
        E('div', { class: 'button-row' }, [
          E('button', { class: 'btn cbi-button', click: dismiss }, ['Dismiss']),
          ' ',
          E(
            'button',
            {
              class: 'btn cbi-button cbi-button-positive important',
              disabled: readonlyView ? '' : null,
              click: ui.createHandlerFn(this, save),
            },
            ['Save'],
          ),
        ]),
      ],
      'cbi-modal',
    );
  }
}

abstract class AbstractValue {
  modalonly: boolean | null = null;
  editable = false;
  optional = false;
  forcewrite = false;
  tab?: string;
  width?: string;
  placeholder = '';
  datatype = '';
  /** As they were loaded. */
  readonly values = new Map<string, FormValue>();
  protected readonly widgets = new Map<string, HTMLElement>();

  constructor(
    readonly section: AbstractSection,
    readonly name: string,
    readonly title: string,
    readonly description = '',
  ) {}

  id(section: string): string {
    return `cbid.${this.section.map.config}.${section}.${this.name}`;
  }

  load(section: string): unknown {
    return uci.get(this.section.map.config, section, this.name);
  }

  validate(_section: string, _value: string): string | true {
    return true;
  }

  textvalue(section: string): string | Node | null {
    return (this.values.get(section) ?? null) as string | null;
  }

  write(section: string, value: FormValue): void {
    uci.set(this.section.map.config, section, this.name, value);
  }

  remove(section: string): void {
    uci.set(this.section.map.config, section, this.name, null);
  }

  async parse(section: string): Promise<void> {
    const value = this.formvalue(section);
    const wrong = [value ?? ''].flat().map((text) => this.check(section, text));
    if (wrong.some((error) => error !== true))
      throw new TypeError(`Option "${this.title}" contains an invalid value.`);
    if (value === null || value.length === 0) this.remove(section);
    else if (this.forcewrite || JSON.stringify(value) !== JSON.stringify(this.values.get(section)))
      this.write(section, value);
  }

  abstract renderWidget(section: string, index?: number, value?: FormValue): Node;
  abstract formvalue(section: string): FormValue;

  protected check(section: string, text: string): string | true {
    if (text === '') return true;
    const error = datatypeError(this.datatype, text);
    return error ?? this.validate(section, text);
  }

  /** Marks what is not allowed, and says what would be. */
  protected watch(section: string, input: HTMLInputElement): HTMLInputElement {
    input.addEventListener('input', () => {
      const result = this.check(section, input.value);
      input.classList.toggle('cbi-input-invalid', result !== true);
      if (result === true) input.removeAttribute('data-tooltip');
      else input.setAttribute('data-tooltip', result);
    });
    return input;
  }
}

class Value extends AbstractValue {
  renderWidget(section: string): HTMLElement {
    const input = E('input', {
      id: `widget.${this.id(section)}`,
      class: 'cbi-input-text',
      type: 'text',
      placeholder: this.placeholder,
      disabled: readonlyView ? '' : null,
    }) as HTMLInputElement;
    input.value = (this.values.get(section) as string | null) ?? '';
    this.widgets.set(section, input);
    return E('div', { id: this.id(section) }, [this.watch(section, input)]);
  }

  formvalue(section: string): FormValue {
    return (this.widgets.get(section) as HTMLInputElement | undefined)?.value ?? null;
  }
}

class DummyValue extends AbstractValue {
  renderWidget(section: string): HTMLElement {
    return E('div', {}, this.textvalue(section));
  }

  formvalue(): FormValue {
    return null;
  }
}

class Flag extends AbstractValue {
  renderWidget(section: string): HTMLElement {
    const input = E('input', {
      id: `widget.${this.id(section)}`,
      type: 'checkbox',
      'aria-label': this.title,
      disabled: readonlyView ? '' : null,
    }) as HTMLInputElement;
    input.checked = this.values.get(section) === '1';
    this.widgets.set(section, input);
    return E('div', { class: 'cbi-checkbox', id: this.id(section) }, [input]);
  }

  formvalue(section: string): FormValue {
    return (this.widgets.get(section) as HTMLInputElement).checked ? '1' : '0';
  }

  /** Whatever it was, on is written and off, the default, removed. */
  override async parse(section: string): Promise<void> {
    if (this.formvalue(section) === '1') this.write(section, '1');
    else this.remove(section);
  }
}

class ListValue extends AbstractValue {
  private readonly choices: [string, string][] = [];

  value(key: string, label: string): void {
    this.choices.push([key, label]);
  }

  renderWidget(section: string): HTMLElement {
    const select = E(
      'select',
      { id: `widget.${this.id(section)}`, class: 'cbi-input-select', disabled: readonlyView ? '' : null },
      this.choices.map(([key, label]) => E('option', { value: key }, [label])),
    ) as HTMLSelectElement;
    select.value = (this.values.get(section) as string | null) ?? this.choices[0]![0];
    this.widgets.set(section, select);
    return E('div', { id: this.id(section) }, [select]);
  }

  formvalue(section: string): FormValue {
    return (this.widgets.get(section) as HTMLSelectElement).value;
  }
}

class DynamicList extends AbstractValue {
  renderWidget(section: string): HTMLElement {
    const list = E('div', { id: this.id(section), class: 'cbi-dynlist' });
    const input = E('input', {
      id: `widget.${this.id(section)}`,
      class: 'cbi-input-text',
      type: 'text',
      placeholder: this.placeholder,
      disabled: readonlyView ? '' : null,
    }) as HTMLInputElement;
    const add = (text: string) => {
      const item = E('div', { class: 'item', tabindex: 0, click: () => item.remove() }, [
        E('span', {}, [text]),
      ]);
      list.insertBefore(item, list.lastElementChild);
    };
    const enter = () => {
      if (input.value === '' || this.check(section, input.value) !== true) return;
      add(input.value);
      input.value = '';
    };
    list.append(
      E('div', { class: 'add-item' }, [
        this.watch(section, input),
        E('div', { class: 'btn cbi-button cbi-button-add', click: enter }, ['+']),
      ]),
    );
    for (const text of [this.values.get(section) ?? []].flat()) add(text);
    this.widgets.set(section, list);
    return list;
  }

  formvalue(section: string): FormValue {
    return [...this.widgets.get(section)!.querySelectorAll('.item > span')].map(
      (item) => item.textContent ?? '',
    );
  }
}

class SectionValue extends AbstractValue {
  readonly subsection: AbstractSection;

  constructor(
    section: AbstractSection,
    name: string,
    kind: Kind<AbstractSection>,
    type: string,
    ...rest: unknown[]
  ) {
    super(section, name, '');
    this.subsection = new (kind as unknown as new (...parameters: unknown[]) => AbstractSection)(
      section.map,
      type,
      ...rest,
    );
  }

  override load(): unknown {
    this.subsection.load();
    return null;
  }

  override parse(): Promise<void> {
    return this.subsection.parse();
  }

  renderWidget(): Node {
    return this.subsection.render();
  }

  formvalue(): FormValue {
    return null;
  }
}

/** What validation.js says of a value, for the data types that are used. */
function datatypeError(type: string, text: string): string | undefined {
  const [, least, most] = /^range\((\d+), ?(\d+)\)$/.exec(type) ?? [];
  if (least !== undefined) {
    const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    return value >= Number(least) && value <= Number(most) ? undefined : `value between ${least} and ${most}`;
  }
  if (type === 'cidr6')
    return /^[0-9a-f:]*:[0-9a-f:]*\/(\d|\d\d|1[01]\d|12[0-8])$/i.test(text) ? undefined : 'valid IPv6 CIDR';
  return undefined;
}

export const form = {
  Map: FormMap,
  NamedSection,
  TableSection,
  GridSection,
  Value,
  DummyValue,
  Flag,
  ListValue,
  DynamicList,
  SectionValue,
};
