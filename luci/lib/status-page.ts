// SPDX-License-Identifier: GPL-2.0-only

import fs from 'luci:fs';
import ui from 'luci:ui';
import type { InterfaceStatus, LearnedAddress, StatusProblem } from '../../src/answers.ts';
import type { Problem } from '../../src/problem.ts';
import { priceOfLending } from '../../src/words/price.ts';
import { describeProblem, isKnown, type ProblemWords } from '../../src/words/problems.ts';
import { banner, failedBanner, paragraph } from './banner.ts';
import { showClient } from './client-dialog.ts';
import { confirmForget, confirmGive, confirmPin } from './confirm.ts';
import { DeniedTable } from './denied-table.ts';
import { element, type ItemView, LiveList, setAttribute, setText } from './dom.ts';
import { InterfaceSection } from './interface-section.ts';
import { errorText, type Reading, read } from './reading.ts';
import { style } from './style.ts';
import { duration, hook } from './text.ts';

interface Notice {
  readonly key: string;
  create(): HTMLElement;
}

interface InterfaceReading {
  readonly status: InterfaceStatus;
  readonly addresses: readonly LearnedAddress[];
}

export class StatusPage {
  readonly node: HTMLElement;
  private readonly state = element('strong', { class: 'wg-slaacer-state' });
  private readonly details = element('span');
  private readonly tools: HTMLElement;
  private readonly sections = new Map<string, InterfaceSection>();
  private readonly noticeList: LiveList<Notice>;
  private readonly sectionList: LiveList<InterfaceReading>;
  private readonly denied: DeniedTable;
  /** All that makes sense only while the service runs. */
  private readonly running: HTMLElement;
  private readonly noInterface = element('p', { class: 'center' }, [
    element('em', {}, [_('Learning is not switched on for any interface.')]),
    ' ',
    element('a', { href: L.url('admin/services/wg-slaacer/settings') }, [_('Settings')]),
  ]);
  private query = '';
  /** Unix seconds. */
  private now = 0;

  /** `mayChange`: whether the login may do more than look. */
  constructor(private readonly mayChange: boolean) {
    this.denied = new DeniedTable(
      _('Denied addresses'),
      mayChange ? (denial) => confirmGive(denial, () => this.refresh()) : null,
    );
    const notices = element('div', { 'aria-live': 'polite' });
    const sections = element('div');
    this.noticeList = new LiveList<Notice>(
      notices,
      ({ key }) => key,
      (notice) => ({ node: notice.create(), update: () => {} }),
    );
    this.sectionList = new LiveList<InterfaceReading>(
      sections,
      ({ status }) => status.name,
      (reading) => this.createSection(reading),
    );
    this.tools = this.createTools();
    this.running = element('div', {}, [
      this.tools,
      sections,
      element('div', { class: 'cbi-section' }, [
        element('h3', {}, [_('Denied addresses')]),
        this.denied.node,
      ]),
    ]);
    this.node = element('div', { class: 'cbi-map' }, [
      style(),
      element('h2', {}, [_('WireGuard SLAAC')]),
      element('div', { class: 'cbi-map-descr' }, [
        _(
          'WireGuard peers have chosen these addresses for themselves. The addresses are allowed IPs of their peers while they are in use.',
        ),
      ]),
      element('p', {}, [this.state, this.details]),
      notices,
      this.noInterface,
      this.running,
    ]);
  }

  async refresh(): Promise<void> {
    this.show(await read());
  }

  private show(reading: Reading): void {
    this.now = Date.now() / 1000;
    this.noticeList.update(this.notices(reading));
    if (reading.state !== 'running') {
      setText(this.state, stateText(reading.state));
      setAttribute(this.state, 'data-tone', reading.state === 'idle' ? 'off' : 'bad');
      setText(this.details, '');
      this.noInterface.hidden = reading.state !== 'idle';
      // What was read last stays where an answer failed to come: it may come the next time.
      if (reading.state !== 'failed') this.running.hidden = true;
      return;
    }
    const { status, addresses, denied } = reading;
    setText(this.state, _('Running'));
    setAttribute(this.state, 'data-tone', status.hook === 'none' ? 'bad' : 'good');
    const facts = [
      _('for %s').format(duration(status.uptime)),
      hook(status.hook),
      _('version %s').format(status.version),
    ];
    setText(this.details, ` ${facts.join(' · ')}`);
    this.running.hidden = false;
    this.tools.hidden = addresses.length === 0 && denied.length === 0;
    const enabled = status.interfaces.filter((entry) => entry.enabled);
    const isUnknown = status.problems.some(({ code }) => code === 'no-configuration');
    this.noInterface.hidden = enabled.length > 0 || isUnknown;
    this.showInterfaces(enabled, addresses);
    this.denied.update(denied, this.now);
  }

  private showInterfaces(interfaces: readonly InterfaceStatus[], addresses: readonly LearnedAddress[]): void {
    const byInterface = new Map<string, LearnedAddress[]>(interfaces.map(({ name }) => [name, []]));
    for (const entry of addresses) byInterface.get(entry.interface)?.push(entry);
    this.sectionList.update(
      interfaces.map((status) => ({ status, addresses: byInterface.get(status.name)! })),
    );
  }

  private createSection({ status }: InterfaceReading): ItemView<InterfaceReading> {
    const section = new InterfaceSection(status, {
      forget: this.mayChange ? (entry) => confirmForget(entry, () => this.refresh()) : null,
      pin: this.mayChange ? (entry) => confirmPin(entry, () => this.refresh()) : null,
      setUp: (peer) => void showClient(status.name, peer),
      setUpAny: () => void showClient(status.name),
    });
    section.filter(this.query);
    this.sections.set(status.name, section);
    return {
      node: section.node,
      update: ({ status, addresses }) => section.update(status, addresses, this.now),
    };
  }

  private createTools(): HTMLElement {
    const search = element('input', {
      type: 'search',
      class: 'cbi-input-text',
      placeholder: _('Search for a peer, key or address'),
      'aria-label': _('Search for a peer, key or address'),
      input: (event) => {
        this.query = (event.target as HTMLInputElement).value.trim().toLowerCase();
        this.denied.filter(this.query);
        for (const section of this.sections.values()) section.filter(this.query);
      },
    });
    const openAll = (open: boolean) => () => {
      for (const section of this.sections.values()) section.openAll(open);
    };
    return element('div', { class: 'wg-slaacer-tools' }, [
      search,
      element('button', { type: 'button', class: 'btn cbi-button', click: openAll(true) }, [_('Open all')]),
      element('button', { type: 'button', class: 'btn cbi-button', click: openAll(false) }, [_('Close all')]),
    ]);
  }

  private notices(reading: Reading): Notice[] {
    switch (reading.state) {
      case 'stopped':
        return [{ key: 'stopped', create: () => this.stoppedBanner() }];
      case 'idle':
        return [];
      case 'starting':
        return [{ key: 'starting', create: () => banner('info', _('The service is starting …'), []) }];
      case 'failed': {
        const { message } = reading;
        return [{ key: `failed ${message}`, create: () => failedBanner(message) }];
      }
      case 'running': {
        const { problems, hook } = reading.status;
        const { omitted } = reading;
        return [
          ...(omitted > 0 ? [{ key: `omitted ${omitted}`, create: () => omittedBanner(omitted) }] : []),
          ...problems.map((problem) => {
            const { message, hint } = inWords(problem);
            const key = `${problem.code} ${message}`;
            return { key, create: () => banner('warning', message, [paragraph(hint)]) };
          }),
          ...(hook === 'lending' ? [{ key: 'lending', create: lendingBanner }] : []),
        ];
      }
    }
  }

  private stoppedBanner(): HTMLElement {
    const button = element(
      'button',
      {
        type: 'button',
        class: 'btn cbi-button cbi-button-apply',
        disabled: this.mayChange ? null : '',
        click: ui.createHandlerFn(this, () => this.start())!,
      },
      [_('Start it')],
    );
    return banner('warning', _('The service is not running.'), [
      paragraph(_('Learned addresses stay in use, but the router learns no new one and withdraws none.')),
      button,
    ]);
  }

  private async start(): Promise<void> {
    try {
      const { code, stderr } = await fs.exec('/etc/init.d/wg-slaacer', ['start']);
      if (code) throw new Error(stderr || _('exit status %d').format(code));
    } catch (error) {
      const text = _('The service could not be started: %s').format(errorText(error));
      ui.addNotification(null, paragraph(text), 'danger');
    }
    await this.refresh();
  }
}

/** In the language of the page, unless the service is a later one than the page: that may know more. */
function inWords(problem: StatusProblem): ProblemWords {
  try {
    return isKnown(problem.code) ? describeProblem(problem as unknown as Problem, _) : problem;
  } catch {
    return problem;
  }
}

function stateText(state: Exclude<Reading['state'], 'running'>): string {
  switch (state) {
    case 'stopped':
      return _('Stopped');
    case 'idle':
      return _('Switched off');
    case 'starting':
      return _('Starting');
    case 'failed':
      return _('No answer');
  }
}

function lendingBanner(): HTMLElement {
  return banner('info', _('Learning by lending'), [
    paragraph(
      _('The service lends the prefixes to one peer after the other, to see who uses which address.'),
    ),
    element(
      'ul',
      {},
      priceOfLending(_).map((sentence) => element('li', {}, [sentence])),
    ),
    paragraph(
      _(
        'A kernel with BPF events, BTF, and kprobes or BPF trampolines needs no lending. The command wg-slaacer doctor says what this kernel lacks.',
      ),
    ),
  ]);
}

function omittedBanner(omitted: number): HTMLElement {
  return banner('info', _('Not all addresses are shown'), [
    paragraph(
      _(
        'One answer cannot hold all addresses: %d are missing here. The command wg-slaacer addresses lists those of one interface.',
      ).format(omitted),
    ),
  ]);
}
